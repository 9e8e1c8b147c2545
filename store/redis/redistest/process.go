//go:build unix

package redistest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that is waited for.
type process struct {
	cmd  *exec.Cmd
	log  syncBuffer
	done chan struct{} // closed when the child is gone
}

func startProcess(name string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
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
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends the child, paused or not, and returns when it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }
