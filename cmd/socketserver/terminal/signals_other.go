//go:build !unix

package terminal

// The consoles of other systems edit lines themselves.
const supported = false

func (t *Terminal) watch() func() { return func() {} }

func stopJob() {}

func (t *Terminal) resume() {}
