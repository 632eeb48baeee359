package worker

import (
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/life"
)

func (p *Pool) idleChildren() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// An idle child that a signal has stopped is killed, and another one gets the task.
func TestTaskOfAStoppedChild(t *testing.T) {
	p := newPool(t, PoolSize{Children: 1, Spares: 1, Tasks: 2})
	eventually(t, func() bool { return p.idleChildren() == 1 }, "no spare is idle")
	stopped := p.Pids()[0]
	freeze(t, stopped)
	require.NoError(t, do(t, p))
	require.NotContains(t, p.Pids(), stopped)
}

// A member of a set that a signal has stopped is killed, and another one gets the task.
func TestTaskOfAStoppedMember(t *testing.T) {
	s, err := NewSet(config(), 1)
	require.NoError(t, err)
	defer s.Close(nil)
	stopped := s.Pids()[0]
	freeze(t, stopped)
	require.NoError(t, s.Do(task(t)))
	require.NotContains(t, s.Pids(), stopped)
}

// A child that does not end after its last task is killed.
func TestChildThatDoesNotExit(t *testing.T) {
	p := newPool(t, PoolSize{Children: 1, Tasks: 1}, "stay")
	require.NoError(t, do(t, p))
	require.NotEmpty(t, p.Pids())
	eventually(t, func() bool { return len(p.Pids()) == 0 }, "the child lives on")
}

// Where the system has no room for another process none is started until the pause is over.
func TestPauseWhereTheSystemHasNoRoom(t *testing.T) {
	p := newPool(t, PoolSize{Children: 2, Tasks: 1})
	over, now := make(chan struct{}), make(chan struct{})
	_, err := p.Take(over)
	require.NoError(t, err)
	p.mu.Lock()
	p.startFailed(syscall.EAGAIN, over)
	p.mu.Unlock()
	close(now)
	_, err = p.Take(now)
	require.ErrorIs(t, err, ErrServerClosed, "another one is started")
	close(over)
	slot, err := p.Take(p.done)
	require.NoError(t, err)
	p.Release(slot)
}

// The time of a request begins after its handshake, also in a child.
func TestPatience(t *testing.T) {
	size := PoolSize{Request: time.Minute, Handshake: 5 * time.Second}
	require.Equal(t, time.Minute+Overtime, size.patience(&Task{}))
	require.Equal(t, 65*time.Second+Overtime, size.patience(&Task{Layer: &Layer{}}))
	size.Request = 0
	require.Zero(t, size.patience(&Task{Layer: &Layer{}}))
}

// A logged is called with what is logged.
type logged func()

func (l logged) Write(b []byte) (int, error) {
	l()
	return len(b), nil
}

// A child whose task ends while its time runs out is killed before it may have another one, or not at all.
func TestChildIsNotKilledForAnEarlierTask(t *testing.T) {
	late, stopped, killed := make(chan struct{}), make(chan struct{}), make(chan bool)
	log := hclog.New(&hclog.LoggerOptions{Output: logged(func() {
		close(late)
		select {
		case <-stopped:
		case <-time.After(100 * time.Millisecond): // it waits for the kill
		}
	})})
	p := &Pool{group: &group{Config: Config{Log: log}}}
	c := &child{Process: &Process{ready: make(chan struct{}), kill: func() { killed <- life.Closed(stopped) }}}
	close(c.ready)
	stop := p.killLate(c, time.Millisecond)
	go func() {
		<-late
		stop()
		close(stopped)
	}()
	require.False(t, <-killed, "killed after its task was over")
	<-stopped
}

// A start that is given up ends with its process, and none is left.
func TestStartThatIsGivenUp(t *testing.T) {
	c := config()
	c.Restrictions.Files = 100 // it has to become what it is
	p, err := NewPool(c, PoolSize{Children: 1, Tasks: 1})
	require.NoError(t, err)
	defer p.Close(nil)
	given := task(t)
	given.Begun = func(kill func()) { kill() }
	slot, err := p.Take(given.Stop)
	require.NoError(t, err)
	require.Error(t, p.Do(slot, given))
	eventually(t, func() bool { return len(p.Pids()) == 0 }, "the child lives on")
	require.NoError(t, do(t, p))
}
