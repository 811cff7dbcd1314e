package edge

import (
	"testing"
	"testing/synctest"
)

// TestTasksMayStartOthersWhileTheyAreWaitedFor ends tasks of which one starts another meanwhile: that one is waited for too,
// and none after it runs.
func TestTasksMayStartOthersWhileTheyAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tasks
		first, second, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		all.start(func() {
			<-first
			all.start(func() { <-second })
		})
		go func() {
			all.end()
			close(ended)
		}()
		synctest.Wait()
		close(first)
		synctest.Wait()
		select {
		case <-ended:
			t.Error("ended before the task that a task had started")
		default:
		}
		close(second)
		<-ended
		all.start(func() { t.Error("a task ran after the end") })
		synctest.Wait()
	})
}
