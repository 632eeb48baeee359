package kv

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/internal/text"
)

// warnOfLoss logs what a bucket in a directory has lost. Where JetStream cannot read what it has stored it goes on with the
// rest, or from nothing, without an error; and it warns alike after a SIGKILL that has lost nothing.
func (b *bucket) warnOfLoss(ctx context.Context, path string) error {
	var lost int
	for _, s := range []jetstream.Stream{b.values, b.counters} {
		n, err := b.lost(ctx, s)
		if err != nil {
			return fmt.Errorf("look for what the state has lost: %w", err)
		}
		lost += n
	}
	if lost > 0 {
		b.log.Error("the state has lost data, as it could not be read; it goes on with the rest", "path", path, "bucket", b.name,
			"lost", text.Counted(lost, "byte"), "next", "stop the server and restore the directory from a backup, or go on without")
	}
	return nil
}

// maxGaps bounds what JetStream lists together with what was lost: the numbers of changes that others have replaced.
const maxGaps = 100_000

// lost returns how many bytes of a stream could not be read when JetStream has started, which its client does not tell. Where
// a part is lost and there are too many gaps it is 0.
func (b *bucket) lost(ctx context.Context, s jetstream.Stream) (bytes int, err error) {
	is := s.CachedInfo()
	if is.State.NumDeleted > maxGaps {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := b.conn.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"STREAM.INFO."+is.Config.Name, []byte(`{"deleted_details": true}`))
	if err != nil {
		return 0, explain(err)
	}
	var info struct {
		State struct {
			Lost struct {
				Bytes int `json:"bytes"`
			} `json:"lost"`
		} `json:"state"`
	}
	err = json.Unmarshal(m.Data, &info)
	return info.State.Lost.Bytes, err
}
