package worker

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// What a process has reported of a task and not ended ends with the task, whether the process is done with it, has
// gone, or was never given it. What it reports afterwards is of no task.
func TestReportsEndWithTheTask(t *testing.T) {
	reporting := func(t *testing.T) (p *Process, parent *Parent, task *Task, open *Reports[string], over chan []string, why *error) {
		p, parent, _ = pairOf(t)
		open, over, why = &Reports[string]{}, make(chan []string, 2), new(error)
		return p, parent, &Task{
			Frame:    handoff.Frame{Kind: handoff.Listen},
			Conclude: ErrorOf,
			Event:    func(p *Process, f *handoff.Frame) { open.Open(p, f.Request, "request") },
			Over:     func(p *Process, err error) { *why = err; over <- open.Leave(p) },
		}, open, over, why
	}
	report := func(parent *Parent, id, request uint64) {
		_ = parent.Send(&handoff.Frame{Kind: handoff.Event, Flags: handoff.Started, ID: id, Request: request})
	}
	t.Run("outcome", func(t *testing.T) {
		p, parent, task, open, over, why := reporting(t)
		id, h, err := p.register(task)
		require.NoError(t, err)
		report(parent, id, 1)
		parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: id})
		report(parent, id, 2)
		require.NoError(t, p.await(task, id, h))
		require.Len(t, <-over, 1)
		require.ErrorIs(t, *why, errUnreported)
		require.NoError(t, parent.channel.Close())
		<-p.Gone() // it has read all
		require.Empty(t, open.open)
		require.Empty(t, over)
	})
	t.Run("event on its way", func(t *testing.T) {
		p, parent, task, open, over, _ := reporting(t)
		id, h, err := p.register(task)
		require.NoError(t, err)
		parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: id})
		require.NoError(t, p.await(task, id, h))
		h.event(p, &handoff.Frame{Kind: handoff.Event, Request: 1}) // as by the reader of a journal, which had looked the task up
		require.Empty(t, open.open)
		require.Empty(t, <-over)
	})
	t.Run("death", func(t *testing.T) {
		p, parent, task, _, over, why := reporting(t)
		id, h, err := p.register(task)
		require.NoError(t, err)
		report(parent, id, 1)
		require.NoError(t, parent.channel.Close())
		require.ErrorIs(t, p.await(task, id, h), ErrGone)
		require.Len(t, <-over, 1)
		require.ErrorIs(t, *why, ErrGone)
	})
	t.Run("not handed over", func(t *testing.T) {
		p, _, task, _, over, why := reporting(t)
		task.Event(p, &handoff.Frame{Request: 1}) // it guesses the number of the task
		tooLong := errors.New("too long")
		id, h, err := p.register(task)
		require.NoError(t, err)
		p.forget(id, h, tooLong)
		require.Len(t, <-over, 1)
		require.ErrorIs(t, *why, tooLong)
	})
}
