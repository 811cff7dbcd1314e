//go:build !unix

package loadtest

import "time"

// allowFiles allows what the system will.
func allowFiles(int) error { return nil }

// outOfFiles does not know.
func outOfFiles(error) bool { return false }

// explained adds nothing.
func explained(err error) error { return err }

// processorTime is not known.
func processorTime() time.Duration { return 0 }
