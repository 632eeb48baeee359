package wasm

import "encoding/binary"

// The modules of the tests are assembled here, so that the tests need no compiler. Each begins with
// the same types, imports and one function, _start.

// Functions that modules may call.
const (
	fdRead = iota
	fdWrite
	procExit
	environSizesGet
	environGet
	pollOneoff
	start
)

var imports = []struct {
	name string
	kind byte // index into types
}{
	{"fd_read", 3}, {"fd_write", 3}, {"proc_exit", 1}, {"environ_sizes_get", 2}, {"environ_get", 2}, {"poll_oneoff", 3},
}

const types = "\x60\x00\x00" + // 0: () -> ()
	"\x60\x01\x7f\x00" + // 1: (i32) -> ()
	"\x60\x02\x7f\x7f\x01\x7f" + // 2: (i32, i32) -> i32
	"\x60\x04\x7f\x7f\x7f\x7f\x01\x7f" // 3: (i32, i32, i32, i32) -> i32

// Instructions without operands, and the openings of blocks.
const (
	loop        = "\x03\x40"
	block       = "\x02\x40"
	end         = "\x0b"
	drop        = "\x1a"
	unreachable = "\x00"
	eqz         = "\x45"
	equal       = "\x46"
	load        = "\x28\x02\x00"
	store       = "\x36\x02\x00"
	memorySize  = "\x3f\x00"
	memoryGrow  = "\x40\x00"
)

func i32(n int64) string        { return "\x41" + string(signed(n)) }
func call(function int) string  { return "\x10" + uleb(function) }
func branch(depth int) string   { return "\x0c" + uleb(depth) }
func branchIf(depth int) string { return "\x0d" + uleb(depth) }

// at stores value at an address.
func at(address int64, value string) string { return i32(address) + value + store }

// assemble returns a module with one page of memory that runs body; data lies at address 1024.
func assemble(body, data string) []byte {
	var imported, sections string
	for _, f := range imports {
		imported += text("wasi_snapshot_preview1") + text(f.name) + "\x00" + string(f.kind)
	}
	function := "\x00" + body + end // without locals
	for _, s := range []struct {
		id      byte
		content string
	}{
		{1, "\x04" + types},
		{2, uleb(len(imports)) + imported},
		{3, "\x01\x00"},     // one function of type 0
		{5, "\x01\x00\x01"}, // one memory of a page, without a maximum
		{7, "\x02" + text("memory") + "\x02\x00" + text("_start") + "\x00" + uleb(start)},
		{10, "\x01" + text(function)},
		{11, "\x01\x00" + i32(1024) + end + text(data)},
	} {
		sections += string(s.id) + text(s.content)
	}
	return []byte("\x00asm\x01\x00\x00\x00" + sections)
}

// text is preceded by its length.
func text(s string) string { return uleb(len(s)) + s }

func uleb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) } //nolint:gosec // a length

// signed encodes n as LEB128 with a sign.
func signed(n int64) (b []byte) {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// write writes what lies at an address to a descriptor. It uses the addresses 0 to 11.
func write(descriptor, address int64, length string) string {
	return at(0, i32(address)) + at(4, length) + i32(descriptor) + i32(0) + i32(1) + i32(8) + call(fdWrite) + drop
}

// say prints data to a descriptor.
func say(descriptor int64, data string) string {
	return write(descriptor, 1024, i32(int64(len(data))))
}

func exit(status string) string { return status + call(procExit) }

// The modules.
var (
	// (block (loop; read 1024 bytes to 2048; leave unless there are some; write them; again))
	echo = assemble(block+loop+
		at(0, i32(2048))+at(4, i32(1024))+i32(0)+i32(0)+i32(1)+i32(8)+call(fdRead)+
		branchIf(1)+i32(8)+load+eqz+branchIf(1)+
		write(1, 2048, i32(8)+load)+branch(0)+end+end, "")

	// Writes 1024 bytes again and again, whatever comes of it.
	flood = assemble(loop+write(1, 2048, i32(1024))+branch(0)+end, "")

	spin = assemble(loop+branch(0)+end, "")

	// Grows its memory until that is refused; exits with the number of pages.
	eat = assemble(block+loop+i32(1)+memoryGrow+i32(-1)+equal+branchIf(1)+branch(0)+end+end+exit(memorySize), "")

	trap = assemble(unreachable, "")

	complaint = "cannot go on\nout of paper\n"
	complain  = assemble(say(2, complaint)+exit(i32(3)), complaint)

	done = assemble(exit(i32(0)), "")

	// Writes its environment, whose strings lie from 8192 on.
	environment = assemble(i32(16)+i32(20)+call(environSizesGet)+drop+i32(4096)+i32(8192)+call(environGet)+drop+
		write(1, 8192, i32(20)+load), "")

	// Waits for an hour. A subscription is at 1024: user data, the type 0 (clock), the clock 1, a timeout.
	hour = assemble(i32(1024)+i32(4096)+i32(1)+i32(0)+call(pollOneoff)+drop,
		"\x00\x00\x00\x00\x00\x00\x00\x00"+"\x00\x00\x00\x00\x00\x00\x00\x00"+"\x01\x00\x00\x00\x00\x00\x00\x00"+
			string(binary.LittleEndian.AppendUint64(nil, 3600e9))+"\x00\x00\x00\x00\x00\x00\x00\x00"+"\x00\x00\x00\x00\x00\x00\x00\x00")

	ofGo = append(assemble("", ""), "\x00"+text(text("go:buildid")+"x")...)
)
