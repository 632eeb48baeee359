package natsbus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

const (
	maxLines       = 1000     // of a room
	maxHistory     = 64 << 20 // bytes of the histories of all rooms of a tree
	maxPast        = 1 << 20  // bytes of the frames that are read of a room, several times what a newcomer receives
	historyTimeout = 2 * time.Second
)

// stamp is the metadata of what belongs to the bus of a tree.
const stamp = "socketserver_chat"

// openStreams opens the bucket, and the stream of the history if there is one; or it makes them.
func (s *session) openStreams(ctx context.Context) error {
	b := s.bus
	// Reads go to the leader: another copy may not have what this server has just been told.
	_, err := b.stream(ctx, s.js, jetstream.StreamConfig{
		Name: "KV_" + b.name, Subjects: []string{"$KV." + b.name + ".>"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew,
		AllowRollup: true, DenyDelete: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerLife,
	})
	if err != nil {
		return err
	}
	if s.kv, err = s.js.KeyValue(ctx, b.name); err != nil || b.station.History == 0 {
		return err
	}
	s.history, err = b.stream(ctx, s.js, jetstream.StreamConfig{
		Name: b.name, Subjects: []string{b.room + "*"}, MaxMsgsPerSubject: maxLines, MaxBytes: maxHistory,
	})
	return err
}

func (b *bus) stream(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) (jetstream.Stream, error) {
	c.Description = "rooms of socketserver's handler chat"
	c.Metadata = map[string]string{stamp: "1"}
	stream, err := natsclient.OpenStream(ctx, js, c)
	if err != nil {
		return nil, fmt.Errorf("open the stream %s: %w", c.Name, err)
	}
	if of := stream.CachedInfo().Config; of.Metadata[stamp] != "1" || of.AllowDirect || of.AllowMsgTTL != c.AllowMsgTTL {
		return nil, fmt.Errorf("the stream %s exists and is not one that rooms have made; choose another tree in the bus's address, or delete the stream", c.Name)
	}
	return stream, nil
}

// followHistory reports what is added to the history from now on.
func (s *session) followHistory(ctx context.Context) error {
	if s.history == nil {
		return nil
	}
	consumer, err := s.history.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return err
	}
	s.following, err = consumer.Consume(func(m jetstream.Msg) {
		if meta, err := m.Metadata(); err == nil && s.bus.linked.Load() == s && s.hasLease() {
			s.bus.station.Stored(cluster.Stored{Sequence: meta.Sequence.Stream, Frame: m.Data()})
		}
	})
	return err
}

// History implements [cluster.Bus].
func (b *bus) History(room string) ([]cluster.Stored, error) {
	s := b.linked.Load()
	if s == nil || s.history == nil {
		return nil, cluster.ErrAway
	}
	ctx, cancel := context.WithTimeout(s.ctx, historyTimeout)
	defer cancel()
	consumer, err := s.history.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{b.room + room}, DeliverPolicy: jetstream.DeliverAllPolicy, InactiveThreshold: historyTimeout,
	})
	if err != nil {
		return nil, natsclient.Explain(err)
	}
	batch, err := consumer.FetchNoWait(maxLines)
	if err != nil {
		return nil, natsclient.Explain(err)
	}
	var all []cluster.Stored
	size := 0
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			continue
		}
		all, size = append(all, cluster.Stored{Sequence: meta.Sequence.Stream, Frame: m.Data()}), size+len(m.Data())
		for len(all) > b.station.History || size > maxPast && len(all) > 1 {
			size -= len(all[0].Frame)
			all[0] = cluster.Stored{} // or the array would keep it
			all = all[1:]
		}
	}
	return all, natsclient.Explain(batch.Error())
}
