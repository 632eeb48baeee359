#!/bin/sh
# Measures every row of performance.md: docs/performance.sh BENCH.PY [ROW]...
# Rows: echo pipelined connect plugin bulk preforking heap latency udp chat idle start. REPS is
# how many rounds each has, 5 where it is not set. It takes some ten minutes on an idle machine.
set -eu
bench=$(realpath "${1:?the path of bench.py is missing}")
shift
[ $# -gt 0 ] || set -- echo pipelined connect plugin bulk preforking heap latency udp chat idle start
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/plugins"
CGO_ENABLED=0 go build -o "$dir/" ./cmd/socketserver ./cmd/socketserver-worker ./cmd/socketserver-worker-tls
CGO_ENABLED=0 go build -o "$dir/plugins/" ./plugins/echo ./plugins/timestamp ./plugins/command
for program in "$dir"/socketserver* "$dir"/plugins/*; do # as an installation would write them
	cp "$program" "$dir/copy" && mv "$dir/copy" "$program"
done

# block NAME TRANSPORT-ATTRIBUTES CONCURRENCY HANDLER-OR-PLUGIN makes NAME.hcl.
block() {
	cat >"$dir/$1.hcl" <<-END
		plugins { directory = "$dir/plugins" }
		server "$1" {
		  transport "tcp" {
		    address            = "127.0.0.1:\${env("PORT")}"
		    request_queue_size = 4096
		    $2
		  }
		  concurrency $3
		  $4
		  limits {
		    connections = 20000
		    per_source  = 20000
		  }
		}
	END
}
timestamp='{ requests = 1 }'
block echo '' '"threading" {}' 'handler "echo" {}'
block small 'read_buffer = 512' '"threading" {}' 'handler "echo" {}'
block plugin '' '"threading" {}' 'plugin "echo" {}'
block connect '' '"threading" {}' "handler \"timestamp\" $timestamp"
block connect-plugin '' '"threading" {}' "plugin \"timestamp\" $timestamp"
block preforking '' '"preforking" {}' "handler \"timestamp\" $timestamp"
block strict '' '"forking" {}' "handler \"timestamp\" $timestamp"
block spares '' '"forking" { spares = 4 }' "handler \"timestamp\" $timestamp"
block start '' '"threading" {}' 'handler "timestamp" {}'
block start-plugins '' '"threading" {}' 'plugin "echo" {}'
for plugin in timestamp command; do
	sed "s/\"start-plugins\"/\"$plugin\"/; s/plugin \"echo\"/plugin \"$plugin\"/; /plugins {/d" "$dir/start-plugins.hcl"
done >"$dir/more" && cat "$dir/more" >>"$dir/start-plugins.hcl"
block reuse '' '"forking" {
    max_requests = 100
    spares       = 4
  }' "handler \"timestamp\" $timestamp"

# smallest builds the least that a program in Go can do for a request, and what starts it for each.
smallest() {
	mkdir -p "$dir/smallest"
	cat >"$dir/smallest/main.go" <<-END
		package main

		import (
			"syscall"
			"time"
		)

		func main() {
			var said [1024]byte
			n, _ := syscall.Read(0, said[:])
			_, _ = syscall.Write(1, append([]byte("["+time.Now().Format(time.ANSIC)+"] "), said[:n]...))
		}
	END
	CGO_ENABLED=0 go build -o "$dir/smallest/program" "$dir/smallest/main.go"
	cp "$dir/smallest/program" "$dir/copy" && mv "$dir/copy" "$dir/smallest/program"
	gcc -O2 -w -o "$dir/smallest/start" "$(dirname "$bench")/cspawn.c"
}

serve() { echo "$1=env PORT=@PORT@ $dir/socketserver serve -c $dir/$1.hcl"; }
run() { "$bench" "$@" --reps "${REPS:-5}"; }

# ready prints how many milliseconds pass from a start to ready, the median of 11.
ready() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11; do
		mkfifo "$dir/log"
		from=$(date +%s%N)
		PORT=0 "$dir/socketserver" serve -c "$dir/$1.hcl" 2>"$dir/log" &
		sed -n '/"ready"/q' <"$dir/log"
		echo $((($(date +%s%N) - from) / 10000))
		kill $! && wait $! || true
		rm "$dir/log"
	done | sort -n | sed -n '6s/..$/.& ms/p'
}

for row; do
	case $row in
	echo) run echo --product "$(serve echo)" --only 'c echo|go raw|th_echo' && run echo --pin --product "$(serve echo)" --only 'c echo|go raw|th_echo' ;;
	pipelined) run pipelined --product "$(serve echo)" --only 'c echo|go' && run pipelined --pin --product "$(serve echo)" --only 'c echo|go' ;;
	connect)
		run connect --pin --product "$(serve connect)" --only 'c ts|go ts|th_ts'
		smallest
		run connect --pin --product "$(serve strict)" --product "smallest=$dir/smallest/start @PORT@ $dir/smallest/program" --only 'xinetd|fk_ts'
		run connect --pin --product "$(serve reuse)" --only 'fork fork|fk_ts'
		;;
	plugin) run echo --product "$(serve echo)" --product "$(serve plugin)" --only none && run connect --pin --product "$(serve connect)" --product "$(serve connect-plugin)" --only none ;;
	bulk) run bulk --product "$(serve echo)" --product "$(serve plugin)" --only none ;;
	preforking) run connect --pin --product "$(serve connect)" --product "$(serve preforking)" --only none ;;
	udp) run udp --product "udp=$dir/socketserver serve --listen udp://127.0.0.1:@PORT@ --handler echo --concurrency synchronous" ;;
	chat) run chat --product "room=$dir/socketserver serve --listen tcp://127.0.0.1:@PORT@ --handler chat" ;;
	idle) run idle --product "$(serve echo)" --product "$(serve small)" --only 'go raw' ;;
	heap) go test ./framework -run '^$' -bench BenchmarkForkingBesideHeap -benchtime 300x -count "${REPS:-5}" ;;
	latency) "$dir/socketserver" compare --peer python --loads connections --clients 1 --rate 100 --mishaps=false --strategies 'forking, forking, spares = 4' ;;
	start)
		for _ in 1 2 3; do
			echo "start: $(ready start), with three plugins: $(ready start-plugins)"
		done
		;;
	*) echo "there is no row $row" >&2 && exit 2 ;;
	esac
done
