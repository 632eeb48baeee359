// Package result has the report of a comparison as data: what was run, measured and observed, and
// what follows from it. Measuring and rendering are the business of other packages. The JSON form is
// documented in docs/compare.schema.json.
package result

import "time"

// Schema is the version of the JSON form. It grows when a field changes its meaning or is removed.
const Schema = 1

// A Report is one comparison.
type Report struct {
	Schema      int         `json:"schema"`
	Environment Environment `json:"environment"`
	Settings    Settings    `json:"settings"`
	Subjects    []Subject   `json:"subjects"` // in the order in which they take turns
	Loads       []Load      `json:"loads"`
	Sweep       []Point     `json:"sweep"`   // by number of clients, the last one that of Loads; empty: there was one
	Mishaps     []Mishap    `json:"mishaps"` // empty if they were left out

	// What follows from the above, see Conclude.
	Comparisons []Comparison `json:"comparisons"`
	Ranks       []Ranking    `json:"ranks"`
	Advice      []Advice     `json:"advice"`     // the verdict, one to three sentences
	Warnings    []string     `json:"warnings"`   // why not all of it can be trusted
	Noisy       bool         `json:"noisy"`      // the machine was too noisy, or the rounds too few, to tell
	Assertions  []Assertion  `json:"assertions"` // in the order in which they were given
}

// Environment is the machine and the programs of the comparison. Unknown fields are empty.
type Environment struct {
	Time    time.Time `json:"time"`
	CPU     string    `json:"cpu"`    // model
	Cores   int       `json:"cores"`  // available to this process
	Memory  uint64    `json:"memory"` // bytes
	Kernel  string    `json:"kernel"`
	Go      string    `json:"go"`
	Version string    `json:"version"` // of socketserver
	Commit  string    `json:"commit"`
	Python  string    `json:"python"`  // empty: no peers
	Command string    `json:"command"` // that repeats it, quoted for a shell
}

// Settings are what the user chose, defaults filled in.
type Settings struct {
	Handler  string        `json:"handler"` // as in: handler "timestamp", or plugin "shout"
	Server   string        `json:"server"`  // of a configuration; empty: none
	Network  string        `json:"network"` // tcp, udp, unix or unixgram
	Clients  int           `json:"clients"`
	Duration time.Duration `json:"duration"` // of load for each subject and kind of load, over all rounds
	Rounds   int           `json:"rounds"`
	Rate     float64       `json:"rate"`    // requests per second of all clients together; 0: closed loop
	Message  string        `json:"message"` // what clients send
	Answer   string        `json:"answer"`  // the end of an answer: line, chunk or eof
	Timeout  time.Duration `json:"timeout"` // after which a request fails
	// Connections is limits.connections of the server, which bounds its clients under every
	// strategy; 0: no limit.
	Connections int `json:"connections_limit"`
	// Stateful is what the handler keeps in memory between requests, as a noun phrase; empty:
	// nothing that it declares.
	Stateful string `json:"stateful"`
	Table    string `json:"table"` // unp: that of Unix Network Programming, chapter 30; empty: the usual one
}

// A Subject is one server under test.
type Subject struct {
	Name        string `json:"name"`        // as in threading, or forking, max_requests = 100, spares = 4; unique
	Strategy    string `json:"strategy"`    // synchronous, threading, forking or preforking; or the library of an event loop
	Form        string `json:"form"`        // see below
	Concurrency string `json:"concurrency"` // the block of a configuration
	Picture     string `json:"picture"`     // its processes: [ ] is one, ○ the listening socket, ● a client's request
}

// Forms of a subject.
const (
	Compiled = "compiled"
	Plugin   = "plugin"
	Python   = "python"
	Xinetd   = "xinetd"  // which starts cat
	Systemd  = "systemd" // systemd-socket-activate, likewise
)

// A Load is one kind of load on all subjects.
type Load struct {
	Kind    string     `json:"kind"`    // see below
	Results []Measured `json:"results"` // one for each subject, in their order
}

// Kinds of load.
const (
	Connections   = "connections"   // one request per connection
	Conversations = "conversations" // one connection per client, request after request
	Datagrams     = "datagrams"     // one request per datagram
)

// Measured is the result of a subject under a load. All durations are nanoseconds in JSON.
type Measured struct {
	Subject string  `json:"subject"`
	Problem string  `json:"problem"` // why nothing was measured, or only a part; empty: none
	Rounds  []Round `json:"rounds"`
	Rate    float64 `json:"rate"` // answered requests per second: the median of the rounds
	// Latency is that of the answered requests of all rounds together, and of those that waited
	// until their timeout or the end of a round. Requests that failed otherwise are not in it, see
	// [Measured.Number].
	Latency Latency          `json:"latency"`
	Buckets []Bucket         `json:"buckets"` // the distribution of the same, ascending
	Errors  map[string]int64 `json:"errors"`  // by kind, as in refused, reset, timeout, wrong answer
	// Unserved is the number of clients that got no answer in a round: the median of the rounds.
	Unserved int `json:"unserved"`
	// Unfinished is the number of requests that had waited longer than usual when a round ended.
	// Their latencies are lower bounds.
	Unfinished int64 `json:"unfinished"`
	Cost       Cost  `json:"cost"`
}

// A Round is one turn of a subject.
type Round struct {
	Requests  int64         `json:"requests"` // answered
	Elapsed   time.Duration `json:"elapsed"`
	Rate      float64       `json:"rate"`
	Latency   Latency       `json:"latency"`
	CPU       time.Duration `json:"cpu"`       // of the subject's process tree; less than 0: not known
	Generator float64       `json:"generator"` // the load generator's share of all CPU that the machine has
	Others    float64       `json:"others"`    // that of other programs, without the subject; less than 0: not known
	Unserved  int           `json:"unserved"`  // clients that got no answer in this round
}

// Latency begins when a request was sent; if there is a rate, when it was due.
type Latency struct {
	P50  time.Duration `json:"p50"`
	P90  time.Duration `json:"p90"`
	P99  time.Duration `json:"p99"`
	P999 time.Duration `json:"p999"`
	Max  time.Duration `json:"max"`
}

// A Bucket counts the latencies above the previous bucket and up to UpTo.
type Bucket struct {
	UpTo  time.Duration `json:"up_to"`
	Count int64         `json:"count"`
}

// Cost is that of the whole process tree. Unknown numbers are less than 0.
type Cost struct {
	CPU          time.Duration `json:"cpu"`          // per answered request
	Resident     int64         `json:"resident"`     // bytes, under load; shared pages count once per process
	Proportional int64         `json:"proportional"` // bytes, under load; shared pages are divided
	Started      int64         `json:"started"`      // processes, over all rounds
	Processes    int           `json:"processes"`    // under load
	Threads      int           `json:"threads"`
	Descriptors  int           `json:"descriptors"`
	Switches     float64       `json:"switches"` // context switches per answered request
}

// A Point is a subject under a load with a number of clients.
type Point struct {
	Load    string  `json:"load"`
	Subject string  `json:"subject"`
	Clients int     `json:"clients"`
	Rate    float64 `json:"rate"` // as in Measured; 0: it was not measured
}

// A Mishap is one experiment, tried on every subject.
type Mishap struct {
	Name  string        `json:"name"`  // as in panic
	Title string        `json:"title"` // as in: The handler panics
	Rows  []Observation `json:"rows"`
}

// An Observation is what happened, in a few words each.
type Observation struct {
	Subject string `json:"subject"`
	Problem string `json:"problem"` // why it could not be tried; empty: it was
	Finding string `json:"finding"` // specific to the experiment, as in: the second client waited
	Noticed string `json:"noticed"` // where it showed: the client, the log, nobody
	CutOff  string `json:"cut_off"` // the clients cut off: nobody, that client, every client
	Lived   string `json:"lived"`   // yes, or how the server ended
	Left    string `json:"left"`    // as in: nothing, 1 process, a socket file
}

// A Comparison is of two subjects under one load.
type Comparison struct {
	Load    string `json:"load"`
	Metric  string `json:"metric"` // rate, p50, p99 or cpu
	Subject string `json:"subject"`
	Base    string `json:"base"`
	Ratio   Ratio  `json:"ratio"`
	// Verdict is more or less if the whole interval of the ratio is beyond a tenth, and equal
	// otherwise: the two are not certain to differ by more than that.
	Verdict string `json:"verdict"`
}

// A Ratio is the subject's value divided by the base's, with its confidence interval.
type Ratio struct {
	Value      float64 `json:"value"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"` // as in 0.95
}

// A Ranking is the order of the subjects under one load, best first: by rate, or if there is a pace by
// p99 of those that kept it. No two that share a place are certain to differ by more than a tenth. For
// each subject, at least one in the place above is better, others may not be. A subject that fails
// requests, leaves a round or clients of a conversation without an answer, or does not keep the pace
// is not ranked: Warnings say so.
type Ranking struct {
	Load   string     `json:"load"`
	Metric string     `json:"metric"`
	Places [][]string `json:"places"`
}

// Advice is a sentence of the verdict and the numbers that it rests on.
type Advice struct {
	Text  string   `json:"text"`
	Write string   `json:"write"` // the block of a configuration that it recommends; empty: none
	Rests []string `json:"rests"` // the numbers, as in: forking.connections.rate = 284/s
}

// An Assertion is a condition of the user.
type Assertion struct {
	Condition string `json:"condition"`
	Held      bool   `json:"held"`
	Found     string `json:"found"` // the values, as in: threading.connections.p99 = 3.1 ms
}
