// Package feed streams the state of servers to pages: ten frames a second while a reader is connected,
// none otherwise.
//
// A [Frame] is a table, which is exact, and the events since the frame before, which may be a sample. All
// readers of a [Feed] get the same bytes. A slow reader misses frames; the next one has their number.
package feed

// A Frame is what a page gets at once. Times are in milliseconds since the feed's clock began.
type Frame struct {
	V        int     `json:"v"` // of the schema: 1
	Seq      uint64  `json:"seq"`
	T        float64 `json:"t"`
	Lost     int     `json:"lost"`               // frames that this reader has missed or that are not complete
	Readonly bool    `json:"readonly"`           // commands are refused
	Recorded bool    `json:"recorded,omitempty"` // it is of a recording
	Servers  []Row   `json:"servers"`
	Events   []Event `json:"events"` // by time, none later than T
}

// A Row is one server. Its counts are exact, and grow only.
type Row struct {
	Name     string   `json:"name"`
	State    string   `json:"state"` // serving, suspended, draining, stopped or failed
	Cause    string   `json:"cause,omitempty"`
	Listen   []string `json:"listen"` // tcp://127.0.0.1:9000
	Strategy string   `json:"strategy"`
	Handler  string   `json:"handler"`
	Plugin   bool     `json:"plugin"`
	Chat     bool     `json:"chat"`    // it is a room that the page can enter
	Theatre  bool     `json:"theatre"` // it has a process of its own, which may be killed
	Pid      int      `json:"pid"`     // of the process that has the loop
	RSS      float64  `json:"rss"`     // of that, in MiB

	Active  int `json:"active"`  // connections that are being served
	Waiting int `json:"waiting"` // those that the server has accepted, and that wait for a thread or a process
	Limit   int `json:"limit"`
	Queue   int `json:"queue"` // clients in the system's accept queue
	Backlog int `json:"backlog"`

	Accepted int64            `json:"accepted"`
	Answered int64            `json:"answered"`
	Cut      int64            `json:"cut"`
	Errors   int64            `json:"errors"`
	Started  int64            `json:"started"`  // processes
	Restarts int64            `json:"restarts"` // of the plugin, or of workers that were killed or crashed
	Overdue  int              `json:"overdue"`  // requests that go on although they have timed out
	Refused  map[string]int64 `json:"refused"`  // by reason

	Rate float64 `json:"rate"` // requests in the last second
	P50  float64 `json:"p50"`  // of the last ten seconds, in ms
	P99  float64 `json:"p99"`

	Max      int       `json:"max"`    // children or workers
	Sample   int       `json:"sample"` // connections that this number divides have events
	Seen     int       `json:"events"` // events in the last second, before sampling
	Children []Child   `json:"children"`
	Rates    []float64 `json:"rates,omitempty"` // of the last minute, in the first frame of a reader
	Open     []uint64  `json:"open,omitzero"`   // ids of connections, in the first frame and after lost ones
}

// A Child is a process of a server.
type Child struct {
	Pid    int     `json:"pid"`
	Kind   string  `json:"kind"` // child, worker or plugin
	Age    float64 `json:"age"`
	RSS    float64 `json:"rss"`
	Served int64   `json:"served"`
	Max    int     `json:"max"` // requests in its life; 0: any number
	Active int     `json:"active"`
}

// An Event has happened to a server. K says what, and which of the other fields are set:
//
//	connect  C, N, Peer, Kind     a client of the theatre connects
//	accepted C, N, Peer, Kind     refused C, Peer, Why
//	started  C, Pid, Where        read, written C, Bytes
//	ended    C, Outcome, Cause, Took, Pid
//	born     Pid, Kind, RSS       died Pid, Cause, Cut
//	plugin   Restarts, Cause      state State
//	verdict  Kind, Answer         what a mishap of the theatre came to
type Event struct {
	T        float64 `json:"t"`
	S        string  `json:"s"`
	K        string  `json:"k"`
	C        uint64  `json:"c,omitempty"` // id of the connection
	N        int     `json:"n,omitempty"` // number of the client, the same on both sides of the theatre
	Peer     string  `json:"peer,omitempty"`
	Kind     string  `json:"kind,omitempty"`
	Why      string  `json:"why,omitempty"`
	Pid      int     `json:"pid,omitempty"`
	Where    string  `json:"where,omitempty"` // goroutine or process
	Bytes    int64   `json:"bytes,omitempty"`
	Outcome  string  `json:"outcome,omitempty"` // ok, panic, timeout, cut or gone
	Cause    string  `json:"cause,omitempty"`
	Took     float64 `json:"took,omitempty"` // ms
	RSS      float64 `json:"rss,omitempty"`
	Cut      int     `json:"cut,omitempty"` // connections that ended with the process
	Restarts int64   `json:"restarts,omitempty"`
	State    string  `json:"state,omitempty"`
	Answer   *int    `json:"answer,omitempty"`
}
