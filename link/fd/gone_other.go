//go:build unix && !linux

package fd

func deviceGone(err error) error { return err }
