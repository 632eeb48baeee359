// What the page knows. A scene is a fold over events: live, paused and replayed are the same code.
export const KEEP = 60_000;
const LIMIT = 30_000, KEY = 5_000, FADE = { ok: 1_200, gone: 1_200, refused: 1_500, done: 900 };
const AT = { connect: 'tq', accepted: 'ta', started: 'ts', written: 'tw', refused: 'te', ended: 'te' };
const lowest = taken => { let i = 0; while (taken.has(i)) i++; return i; };
const empty = () => ({ conns: new Map(), procs: new Map(), homes: new Set(), boxes: new Set(), row: null });

function apply(sc, e) {
	const p = sc.procs.get(e.pid);
	let c = sc.conns.get(e.c);
	if (!c && ['connect', 'accepted', 'refused'].includes(e.k) && sc.conns.size < 600) {
		c = { n: e.n, kind: e.kind, home: lowest(sc.homes) };
		sc.homes.add(c.home);
		sc.conns.set(e.c, c);
	}
	if (c && AT[e.k]) c[AT[e.k]] = e.t;
	switch (e.k) {
		case 'refused': case 'ended':
			if (!c) return;
			c.outcome = e.outcome ?? 'refused';
			sc.procs.get(c.pid)?.slots.delete(c.slot); break;
		case 'started':
			if (!c || !p) return;
			c.pid = e.pid; c.slot = lowest(p.slots); p.slots.add(c.slot); break;
		case 'born': born(sc, e); break;
		case 'died':
			if (!p) return;
			p.te = e.t; p.cause = e.cause; p.cut = e.cut;
			if (p.cause === 'done') sc.boxes.delete(p.box);
	}
}

function born(sc, e) {
	const kind = e.kind ?? 'child', main = kind === 'main';
	for (const [pid, p] of sc.procs) if (main && p.kind === 'main') sc.procs.delete(pid);
	const p = { pid: e.pid, kind, t: e.t, slots: new Set(), rss: e.rss ?? 2, served: 0, box: main ? -1 : lowest(sc.boxes) };
	if (!main) sc.boxes.add(p.box);
	sc.procs.set(e.pid, p);
}

// A frame's table is the truth: it corrects what events missed.
function table(sc, row, t) {
	sc.row = row;
	const seen = new Map((row.children ?? []).map(c => [c.pid, c]));
	if (row.pid) seen.set(row.pid, { pid: row.pid, kind: 'main', rss: row.rss });
	for (const [pid, c] of seen) {
		if (!sc.procs.has(pid)) born(sc, { ...c, t: t - (c.age ?? 0) });
		Object.assign(sc.procs.get(pid), { rss: c.rss, served: c.served ?? 0, max: c.max });
	}
	for (const [pid, p] of sc.procs) {
		if (!seen.has(pid)) p.te ??= t;
		if (p.te && p.kind !== 'main' && t - p.te > (FADE[p.cause] ?? 8_000)) { sc.procs.delete(pid); if (p.cause !== 'done') sc.boxes.delete(p.box); }
	}
	for (const [id, c] of sc.conns) {
		const left = row.open && !row.open.includes(id) || id % row.sample; // missed its end, or not drawn any more
		if (!c.te && left) sc.procs.get(c.pid)?.slots.delete(c.slot);
		if (c.te ? t - c.te > (FADE[c.outcome] ?? 7_000) : left) { sc.conns.delete(id); sc.homes.delete(c.home); }
	}
}

class Cursor {
	constructor(scenes, i) { this.scenes = scenes; this.i = i; }
	advance(log, base, t, each) {
		for (let e; (e = log[this.i - base]) && e.t <= t; this.i++) {
			if (e.rows) for (const r of e.rows) table(this.scene(r.name), r, e.t);
			else { apply(this.scene(e.s), e); each?.(e); }
		}
	}
	scene(name) {
		let s = this.scenes.get(name);
		if (!s) this.scenes.set(name, s = empty());
		return s;
	}
}

export class Model {
	log = []; base = 0; keys = []; rates = new Map(); marks = [];
	live = new Cursor(new Map(), 0); replay = null; rate = 1; playing = true; end = 0; at = 0; frame = null; skew = null;

	push(f) {
		if (f.t < this.end) Object.assign(this, new Model()); // the daemon is a new one
		const here = performance.now() - f.t;
		this.skew = this.skew === null || Math.abs(here - this.skew) > 1_000 ? here : this.skew * .95 + here * .05;
		for (const e of f.events) { this.log.push(e); if (e.k === 'died' && e.cause !== 'done') this.marks.push(e); }
		this.log.push({ t: f.t, rows: f.servers });
		this.frame = f; this.end = f.t;
		this.live.advance(this.log, this.base, f.t - 1_000); // nobody ticks in a hidden tab
		if (f.t - (this.keys.at(-1)?.t ?? -1e9) >= KEY) this.keys.push({ t: Math.max(this.at, f.t - 1_000), i: this.live.i, scenes: structuredClone(this.live.scenes) });
		for (const r of f.servers) {
			const h = this.rates.get(r.name) ?? { t: 0, v: r.rates ?? [] };
			if (f.t - h.t >= 1_000) { h.t = f.t; h.v.push(r.rate); if (h.v.length > 60) h.v.shift(); }
			this.rates.set(r.name, h);
		}
		let n = 0;
		while (n < this.log.length && (this.log[n].t < f.t - KEEP || this.log.length - n > LIMIT)) n++;
		if (n > 500) { this.log.splice(0, n); this.base += n; }
		this.keys = this.keys.filter(k => k.i >= this.base);
		this.marks = this.marks.filter(m => m.t > f.t - KEEP);
	}

	// tick moves the clocks; the live one is 200 ms late, so that events show when they were.
	tick(each) {
		const now = performance.now(), dt = Math.min(100, now - (this.last ?? now));
		this.last = now;
		this.at = Math.max(this.at, Math.min(this.end, now - (this.skew ?? now) - 200));
		this.live.advance(this.log, this.base, this.at, each);
		if (!this.replay) return this.at;
		if (this.playing) this.seek(this.replay.t + dt * this.rate);
		return this.replay.t;
	}
	seek(t) {
		t = Math.max(this.keys[0]?.t ?? 0, Math.min(this.at, t));
		if (!this.replay || t < this.replay.t || this.replay.i < this.base) {
			const k = this.keys.findLast(k => k.t <= t) ?? this.keys[0];
			if (!k) return;
			this.replay = new Cursor(structuredClone(k.scenes), k.i);
		}
		this.replay.t = t;
		this.replay.advance(this.log, this.base, t);
	}
	get now() { return this.replay ? this.replay.t : this.at; }
	scene(name) { return (this.replay ?? this.live).scene(name); }
}
