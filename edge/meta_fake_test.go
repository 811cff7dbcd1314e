package edge

import (
	"context"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
)

// memoryOccupied is which channels of an application are in use, in place of Redis. Leases do not end by themselves.
type memoryOccupied struct {
	watched, announced bool
	channels           []string
}

func (m *memory) occupiedLocked(app pandapush.AppID) *memoryOccupied {
	if m.occupied == nil {
		m.occupied = map[pandapush.AppID]*memoryOccupied{}
	}
	if m.occupied[app] == nil {
		m.occupied[app] = &memoryOccupied{}
	}
	return m.occupied[app]
}

func (m *memory) WatchChannels(_ context.Context, app pandapush.AppID, announce bool, _ time.Duration) (channels, members int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return 0, 0, m.away
	}
	o := m.occupiedLocked(app)
	o.watched, o.announced = true, o.announced || announce
	return int64(len(o.channels)), 0, nil
}

func (m *memory) WatchedApps(context.Context) (apps []pandapush.AppID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for app, o := range m.occupied {
		if o.watched {
			apps = append(apps, app)
		}
	}
	return apps, m.away
}

func (m *memory) ReportChannels(_ context.Context, app pandapush.AppID, channels []string, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	o := m.occupiedLocked(app)
	for _, channel := range channels {
		if slices.Contains(o.channels, channel) {
			continue
		}
		o.channels = append(o.channels, channel)
		if !o.announced {
			continue
		}
		if _, err := m.appendLocked(pandapush.Message{Channel: pandapush.ChannelsChannel(app), Data: []byte(`{"occupied":["` + channel + `"]}`), Notice: true}); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) OccupiedChannels(_ context.Context, app pandapush.AppID) ([]string, pandapush.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	return slices.Sorted(slices.Values(m.occupiedLocked(app).channels)), pandapush.Cursor{Epoch: s.epoch, Position: s.last}, m.away
}
