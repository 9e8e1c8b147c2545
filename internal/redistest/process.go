//go:build unix

package redistest

import (
	"os"
	"os/exec"
	"runtime"
)

// Process is a child that is waited for. On Linux it ends with this process, however that
// ends.
type Process struct {
	// Log has what it writes, to standard output and error.
	Log Log
	// Done is closed when it is gone.
	Done chan struct{}
	cmd  *exec.Cmd
}

// StartProcess starts cmd.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, Done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.Log, &p.Log
	p.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go func() {
		// The signal that childAttr asks for comes when the thread that started
		// the child ends, not the process: so this thread stays with the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
			close(p.Done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends it, paused or not, and returns when it is gone.
func (p *Process) Kill() {
	p.Log.Resume() // Done waits for what it has written
	p.cmd.Process.Kill()
	<-p.Done
}

// Signal sends it a signal.
func (p *Process) Signal(sig os.Signal) { p.cmd.Process.Signal(sig) }
