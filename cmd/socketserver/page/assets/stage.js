// One server, drawn. The picture is a function of (scene, time); only sizes are remembered, so that they
// do not jump. Units are px at the normal text size: the large mode scales all of it.
import { t } from './strings.js';

const { floor, ceil, round, cos, sin, log2, PI, max: most, min: least } = Math;
const ease = k => (k <= 0 ? 0 : k >= 1 ? 1 : 1 - (1 - k) ** 3), clamp = (v, a, b) => most(a, least(b, v));
const mid = r => ({ x: r.x + r.w / 2, y: r.y + r.h / 2 }), mix = (a, b, k) => ({ x: a.x + (b.x - a.x) * k, y: a.y + (b.y - a.y) * k });
const inset = (r, x, top = x, low = top) => ({ x: r.x + x, y: r.y + top, w: r.w - 2 * x, h: r.h - top - low });
const roomy = n => { const p = 2 ** most(0, floor(log2(n)) - 1); return ceil(n / p) * p; };
const COLOURS = 'ink ink2 line card lane kernel wait serve ok bad dead deadbg on'.split(' ');
export const MiB = v => `${v && v < 10 ? v.toFixed(1) : round(v)} MiB`;
export const secs = ms => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : ms < 6e5 ? `${round(ms / 1000)} s` : `${round(ms / 6e4)} min`);
export const ended = s => /failed|stopped/.test(s.state);
export const cause = c => ({ done: t('done'), timeout: t('timeout') })[c] ?? c ?? '';

const lost = p => `✕ ${cause(p.cause)}${p.cut > 0 ? ` · ${p.cut} ${t('cut')}` : ''}`;

// grid lays n cells into r, as large as they go at this aspect.
function grid(r, n, aspect, max, gap) {
	let s = -1, c, w, h;
	for (let i = 1; i <= n; i++) {
		const high = least(max, r.h / ceil(n / i)), wide = aspect > 1 ? r.w / i : least(r.w / i, high * 1.2), size = least(wide / aspect, high);
		if (size > s || (aspect > 1 && size === s)) [s, c, w, h] = [size, i, wide, high];
	}
	const x = r.x + (r.w - w * c) / 2;
	return { h, at: i => inset({ x: x + (i % c) * w, y: r.y + floor(i / c) * h, w, h }, gap / 2) };
}

export class Stage {
	#rooms = {}; #buttons = new Map();
	constructor(host, choose) {
		this.host = host; this.choose = choose;
		this.canvas = host.querySelector('canvas'); this.over = host.querySelector('.over'); this.g = this.canvas.getContext('2d');
		this.over.onkeydown = e => { // one stop for Tab, arrows within
			const d = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key], all = [...this.over.children];
			if (d) { e.preventDefault(); all.at((all.indexOf(e.target) + d) % all.length).focus(); }
		};
	}
	theme() {
		const s = getComputedStyle(document.documentElement), p = document.createElement('canvas'), g = p.getContext('2d');
		this.c = Object.fromEntries(COLOURS.map(k => [k, s.getPropertyValue(`--${k}`).trim()]));
		this.u = parseFloat(s.fontSize) / 16;
		this.font = getComputedStyle(document.body).fontFamily;
		p.width = p.height = 8; g.strokeStyle = this.c.dead; g.globalAlpha = .35;
		for (const o of [-8, 0, 8]) { g.moveTo(o, 8); g.lineTo(o + 8, 0); }
		g.stroke();
		this.hatch = this.g.createPattern(p, 'repeat');
	}
	room(key, ...need) {
		const want = roomy(most(...need)), r = this.#rooms[key], now = performance.now();
		if (!r || want >= r.n || now - r.t > 4000) this.#rooms[key] = { n: want, t: now };
		return this.#rooms[key].n;
	}
	text(s, x, y, { size = 12, color = this.c.ink, bold, align = 'left', max = 999 } = {}) {
		const g = this.g;
		g.font = `${bold ? 600 : 400} ${size}px ${this.font}`; g.fillStyle = color; g.textAlign = align; g.textBaseline = 'middle';
		g.fillText(s, x, y, max);
	}
	rect(r, fill, rad, line, wide = 1.5, dash) {
		const g = this.g;
		g.beginPath(); g.roundRect(r.x, r.y, r.w, r.h, most(0, least(rad, r.h / 2, r.w / 2)));
		if (fill) { g.fillStyle = fill; g.fill(); }
		if (line) this.stroke(line, wide, dash);
	}
	stroke(color, wide, dash = []) { const g = this.g; g.strokeStyle = color; g.lineWidth = wide; g.setLineDash(dash); g.stroke(); g.setLineDash([]); }
	dead(r) { this.rect(r, this.c.deadbg, 10); this.rect(r, this.hatch, 10, this.c.dead, 1.5, [5, 4]); }
	gauge(r, k, color) { this.rect(r, this.c.lane, 4); this.rect({ ...r, w: r.w * clamp(k, .02, 1) }, color, 4); }
	// mark draws a client: shape and colour both tell its state.
	mark(p, r, state, label, kind) {
		const { g, c } = this, w = most(1.5, r * .22);
		const disc = (k = 1) => { g.beginPath(); g.arc(p.x, p.y, r * k, 0, 7); }, fill = color => { g.fillStyle = color; g.fill(); };
		const line = (color, k, ...xy) => { g.beginPath(); xy.forEach(([x, y]) => g.lineTo(p.x + x * r, p.y + y * r)); if (k) this.stroke(color, w * k); else fill(color); };
		if (kind && r > 5 && state !== 'ok') { disc(1.32); this.stroke(kind === 'slow' ? c.serve : c.bad, 2, kind === 'slow' ? [3, 3] : []); }
		disc();
		switch (state) {
			case 'wait': fill(c.card); this.stroke(c.wait, w, r > 6 ? [4, 2.5] : []); break;
			case 'serve': fill(c.serve); break;
			case 'ok': fill(c.ok); line(c.on, 1, [-.45, .05], [-.1, .4], [.5, -.35]); return;
			case 'panic': line(c.bad, 0, [0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]); this.text('!', p.x, p.y, { size: r * 1.5, color: c.on, bold: 1, align: 'center' }); return;
			case 'gone': this.stroke(c.dead, w); return;
			case 'refused': this.stroke(c.bad, w); line(c.bad, 1, [-.65, .65], [.65, -.65]); return;
			default: fill(c.deadbg); line(c.dead, 1.3, [-.6, -.6], [.6, .6]); line(c.dead, 1.3, [.6, -.6], [-.6, .6]); return;
		}
		if (label && r > 8) this.text(label, p.x, p.y + .5, { size: least(11.5, r * 1.05), color: state === 'wait' ? c.wait : c.on, bold: 1, align: 'center' });
	}
	// wheel is a loop that accepts: it turns once for every client that it takes.
	wheel(p, R, turn, color) {
		const g = this.g;
		for (const a of [turn, turn + PI]) {
			g.beginPath(); g.arc(p.x, p.y, R, a + .35, a + 2.8); this.stroke(color, R * .14);
			const e = a + 2.95, x = p.x + cos(e) * R, y = p.y + sin(e) * R;
			g.beginPath(); g.fillStyle = color;
			for (const d of [0, 2.5, -2.5]) g.lineTo(x + cos(e + PI / 2 + d) * R * .34, y + sin(e + PI / 2 + d) * R * .34);
			g.fill();
		}
	}
	// C clients, Q queue, L loop, P lanes, M the box of the process that owns the loop, and the lanes where it is the only one
	layout(W, H, only) {
		const wide = W > 480, pad = 10, top = 44, h = H - top - pad;
		let C, Q, L, P, M;
		if (wide) {
			const gap = clamp(W * .022, 12, 34), col = (x, w) => ({ x, y: top, w, h });
			C = col(pad, clamp(W * .14, 84, 190)); Q = col(C.x + C.w + gap, clamp(W * .1, 84, 120));
			L = col(Q.x + Q.w + gap * 1.2, clamp(W * .11, 88, 130)); P = col(L.x + L.w + gap, W - pad - L.x - L.w - gap);
			M = only ? col(L.x - 6, W - 4 - L.x) : inset(L, -3, h / 2 - 86);
			if (only) P = { ...P, y: top + 30, w: P.w - 6, h: h - 68 };
		} else {
			let y = 0;
			const zone = h => { y += 46 + h; return { x: pad, y: y - h - 26, w: W - 2 * pad, h }; };
			C = zone(48); Q = zone(22); L = zone(30); P = { ...zone(0), h: H - y - 4 };
			M = only ? { x: 4, y: L.y - 22, w: W - 8, h: H - L.y + 18 } : inset(L, -6, -22, -6);
			if (only) P = { ...P, y: P.y - 10, h: P.h - 22 };
		}
		return { C, Q, L, P, M, wide };
	}

	draw(sc, now, still, named) {
		const { host, canvas, g, c, u } = this, row = sc.row, dpr = least(2, devicePixelRatio), W = host.clientWidth / u, H = host.clientHeight / u;
		if (!row || !W) return;
		const pw = round(W * u * dpr), ph = round(H * u * dpr);
		if (canvas.width !== pw || canvas.height !== ph) { canvas.width = pw; canvas.height = ph; }
		g.setTransform(dpr * u, 0, 0, dpr * u, 0, 0); g.clearRect(0, 0, W, H);
		const kind = row.plugin ? 'plugin' : row.strategy, sync = kind === 'synchronous', share = kind === 'preforking', forks = kind === 'forking', only = sync || kind === 'threading';
		const { C, Q, L, P, M, wide } = this.layout(W, H, only), T = (...a) => this.text(...a), conns = [...sc.conns.values()], procs = [...sc.procs.values()], main = procs.find(p => p.kind === 'main'), kids = procs.filter(p => p.kind !== 'main');
		const dead = ended(row) || main?.te, k = (from, ms) => (still ? +(now >= from) : ease((now - from) / ms)), next = set => most(0, ...[...set].map(s => s + 1));
		const homes = grid(C, this.room('homes', 8, row.active / row.sample, ...conns.map(x => x.home + 1)), 1, 34, 0), dot = clamp(homes.h * .36, 2.4, 13);

		const title = (r, name, sub = '') => {
			T(t(name), r.x, wide ? 12 : r.y - 11, { bold: 1, size: wide ? 13 : 12, max: r.w + 20 });
			T(sub, wide ? r.x : r.x + r.w, wide ? 30 : r.y - 11, { color: c.ink2, align: wide ? 'left' : 'right' });
		};
		title(C, 'zClients', row.active + row.waiting + row.queue);
		title(Q, 'zKernel', t('nOf', { a: row.queue, b: row.backlog }));
		if (wide) title(L, share ? 'zParent' : 'zLoop');
		if (wide || !only) title(P, only ? (sync ? 'zOne' : 'zGo') : 'zProcs', only ? row.active : kids.filter(p => !p.te).length);
		this.rect(wide ? inset(Q, -6, -2, 0) : inset(Q, -4), c.kernel, 10);
		if (wide) T(t('kernel'), Q.x + Q.w / 2, Q.y + Q.h - 12, { color: c.ink2, align: 'center' });

		// the queue fills from the end that the loop takes from; clients that the theatre made are known by number
		const cols = wide ? 2 : 20, rows = wide ? clamp(floor((Q.h - 50) / 26), 4, 12) : 1, qw = Q.w / cols, qh = wide ? least(26, (Q.h - 50) / rows) : Q.h, qy = Q.y + (Q.h - rows * qh) / 2, cells = cols * rows;
		const qcell = i => inset({ x: Q.x + (cols - 1 - i % cols) * qw, y: qy + most(0, rows - 1 - floor(i / cols)) * qh, w: qw, h: qh }, 2);
		const waiting = conns.filter(x => x.tq && !x.ta && !x.te);
		for (let i = 0; i < cells; i++) { const full = i < row.queue && !named; this.rect(qcell(i), full ? c.wait : c.card, 4, full ? c.wait : c.line, 1); }
		if (row.queue > cells) T(`+${row.queue - cells}`, Q.x + Q.w / 2, qy - 12, { bold: 1, color: c.wait, align: 'center' });

		if (dead) this.dead(M); else this.rect(M, c.card, 10, c.ink2, only ? 2 : 1.5);
		T(t(forks || share ? 'parent' : 'proc', { p: row.pid }), M.x + 10, M.y + 15, { bold: 1, color: dead ? c.dead : c.ink, max: M.w - 14 });
		if (dead) T(lost(main?.te ? main : row), M.x + (only ? M.w - 10 : 10), M.y + (only ? 15 : wide ? 38 : M.h - 14), { bold: 1, size: 15, align: only ? 'right' : 'left', max: M.w - (only ? 110 : 16) });
		else if (only) {
			this.gauge({ x: M.x + 10, y: M.y + M.h - 23, w: M.w - 20, h: 18 }, row.rss / 512, c.line);
			T(t('shared', { m: MiB(row.rss) }), M.x + 18, M.y + M.h - 13.5, { max: M.w - 34 });
		} else if (wide) T(MiB(row.rss), M.x + 10, M.y + M.h - 14, { color: c.ink2 });
		const hub = wide ? { x: L.x + L.w / 2, y: M.y + M.h / 2 } : { x: L.x + 22, y: L.y + L.h / 2 + 2 }, R = wide ? 22 : 13, busy = kids.filter(p => !p.te && p.slots.size).length;
		const does = dead ? 'lDead' : row.state !== 'serving' ? 'lOff' : share ? 'lShare' : sync && row.active ? 'lBusy' : row.active >= row.limit ? 'lLimit' : forks && row.queue + row.waiting ? (busy < row.max ? 'lStarts' : 'lFull') : 'lAccepts';
		if (!share) this.wheel(hub, R, still ? 0 : (row.accepted % 8 + k(most(0, ...conns.map(x => x.ta ?? 0)), 250)) * PI / 4, dead ? c.dead : c.ink);
		T((wide || share ? '' : `${t('zLoop')}: `) + t(does), wide ? hub.x : share ? L.x + 10 : hub.x + R + 12, hub.y + (wide && !share ? R + 18 : 0), { color: dead ? c.dead : /Full|Busy|Limit/.test(does) ? c.wait : c.ink2, align: wide ? 'center' : 'left', max: L.w + 4 });

		// lanes: in the one box, or in boxes of their own
		const places = new Map(), boxes = [[main, M]], small = { size: 11, color: c.ink2, align: 'right' };
		const slots = (p, r, n, aspect, gone) => {
			const q = grid(r, n, aspect, 30, clamp(160 / n, 1.5, 4));
			places.set(p.pid, q);
			for (let i = 0; i < n; i++) this.rect(q.at(i), gone ? '' : c.lane, 14, gone && c.line);
		};
		if (only) { if (main) { const n = sync ? 1 : this.room('lanes', 8, next(main.slots)); slots(main, P, n, n > 60 ? 2 : 5, dead); } } else {
			const n = this.room('boxes', forks ? 8 : 1, ...kids.map(p => p.box + 1)), q = grid(P, n, forks ? 1.9 : 1.7, forks ? 112 : 420, n > 40 ? 4 : 8);
			for (const p of kids) {
				const r = q.at(p.box), tall = r.h > 68, big = r.h > 54 && r.w > 62, lap = r.w > 70 ? 28 : 20, some = r.w > 42 && r.h > 24, gone = p.te && p.cause === 'done', hit = p.te && !gone, why = lost(p);
				g.globalAlpha = still ? 1 : gone ? 1 - k(p.te, 800) : .25 + .75 * k(p.t, 200);
				if (hit) this.dead(r); else this.rect(r, c.card, big ? 10 : 5, p.te ? c.dead : c.ink2, some ? 1.5 : 1, gone ? [3, 3] : []);
				if (some) T(hit && !big ? `✕ ${cause(p.cause)}` : p.kind === 'plugin' ? t('plug', { p: p.pid }) : p.pid, r.x + 8, r.y + (big ? 13 : r.h / 2), { size: big ? 12 : 11, bold: 1, color: p.te && (big || gone) ? c.dead : c.ink, max: r.w - (big || hit ? 12 : lap + 8) });
				if (big && r.w > 120 && !p.te) T(p.max ? `${p.served}/${p.max}` : `${t('served')} ${p.served}`, r.x + r.w - 8, r.y + 13, small);
				if (big && p.te) T(gone ? t('done') : why, r.x + 8, r.y + r.h - 13, { size: 13, bold: 1, color: gone ? c.dead : c.ink, max: r.w - 14 });
				else if (big) {
					this.gauge({ x: r.x + 8, y: r.y + r.h - 8, w: r.w - 16, h: 4 }, p.rss / 64, c.ink2);
					if (tall) T(MiB(p.rss), r.x + r.w - 8, r.y + r.h - 18, small);
				}
				const inner = big ? inset(r, 7, 21, tall ? 27 : 10) : some ? { x: r.x + r.w - lap - 2, y: r.y + 2, w: lap, h: r.h - 4 } : inset(r, 1);
				p.hub = null;
				if (share && big && wide) {
					p.hub = { x: r.x + 30, y: r.y + r.h / 2 };
					this.wheel(p.hub, 13, (p.served + p.slots.size) * PI / 4, p.te ? c.dead : c.ink);
					inner.x += 46; inner.w -= 46;
				}
				if (big || !hit) slots(p, inner, forks ? 1 : this.room(`w${p.box}`, 6, next(p.slots)), forks ? 9 : 5, p.te);
				g.globalAlpha = 1;
				boxes.push([p, r]);
			}
		}

		// connections: the client stays where it is, what travels is its request and its answer
		for (const x of conns) {
			const home = mid(homes.at(x.home)), p = sc.procs.get(x.pid), r = places.get(x.pid)?.at(x.slot), cut = /cut|timeout/.test(x.outcome), state = x.te ? x.outcome : x.ts ? 'serve' : 'wait', tag = named && x.n, moved = k(x.ts + 60, 220);
			const from = x.tq ? mid(qcell(0)) : home, seat = r ? { x: r.x + least(r.h, r.w) / 2, y: r.y + r.h / 2 } : hub, size = r ? clamp(least(r.h, r.w) * .4, 2, least(12, dot * 1.7)) : dot;
			const at = x.ts ? mix(mix(from, p?.hub ?? hub, k(x.ta, 120)), seat, moved) : x.ta ? mix(from, hub, k(x.ta, 120)) : x.tq ? mix(home, mid(qcell(waiting.indexOf(x))), k(x.tq, 260)) : home;
			const on = !x.te || (cut && r && p?.te && (only || r.w > 30));
			if (conns.length <= 60 && (on || cut) && (state !== 'wait' || waiting.length < 13)) {
				const b = on ? at : mix(home, hub, .35), m = mix(home, b, .5);
				g.beginPath(); g.moveTo(home.x, home.y); g.globalAlpha = x.te ? .5 : .28;
				if (wide) g.bezierCurveTo(m.x, home.y, m.x, b.y, b.x, b.y); else g.bezierCurveTo(home.x, m.y, b.x, m.y, b.x, b.y);
				this.stroke(x.te ? c.dead : c[state], 1.5, x.te ? [3, 5] : []); g.globalAlpha = 1;
			}
			if (on && at !== home) {
				if (r && !x.te && moved === 1 && r.w > r.h * 1.6) { // for how long: a lane is 8 s
					const e = now - x.ts;
					g.globalAlpha = .22; this.rect({ ...r, w: r.h + (r.w - r.h) * clamp(e / 8000, 0, 1) }, e > 3000 ? c.wait : c.serve, 14); g.globalAlpha = 1;
					if (r.w > 84 && r.h > 15) T(secs(e), r.x + r.w - 8, r.y + r.h / 2, small);
				}
				this.mark(at, dot + (size - dot) * (x.ts ? moved : 0), state, tag, x.kind);
			}
			const fly = (now - x.tw) / 420;
			if (fly < 1 && !still && r) { // the answer goes back
				const b = mix(seat, home, ease(fly));
				this.rect({ x: b.x - dot * .55, y: b.y - dot * .4 - sin(fly * PI) * 26, w: dot * 1.1, h: dot * .8 }, c.ok, 2);
			}
			if (state === 'ok' && !still) g.globalAlpha = clamp(1.6 - (now - x.te) / 900, 0, 1);
			this.mark(home, dot, fly < .9 && !still ? 'serve' : state, tag, x.kind);
			g.globalAlpha = 1;
		}
		this.buttons(boxes);
	}

	// A box is a button, for the mouse, the keyboard and a screen reader.
	buttons(boxes) {
		const seen = new Set(), u = this.u, now = performance.now(), speak = now - (this.spoke ?? 0) > 1000;
		if (speak) this.spoke = now;
		for (const [p, r] of boxes) {
			if (!p || p.te) continue;
			let b = this.#buttons.get(p.pid);
			const made = !b, at = `${r.x | 0} ${r.y | 0} ${r.w | 0} ${r.h | 0} ${u}`;
			if (made) {
				b = Object.assign(document.createElement('button'), { className: 'proc', type: 'button', tabIndex: -1, onclick: () => this.choose(p.pid, p.kind) });
				this.#buttons.set(p.pid, b); this.over.append(b);
			}
			seen.add(p.pid);
			if (b.at !== at) { b.at = at; ['left', 'top', 'width', 'height'].forEach((s, i) => { b.style[s] = `${[r.x, r.y, r.w, r.h][i] * u}px`; }); }
			if (speak || made) b.ariaLabel = t('procAria', { k: t(p.kind), p: p.pid, n: p.slots.size, m: MiB(p.rss) });
		}
		for (const [pid, b] of this.#buttons) if (!seen.has(pid)) { b.remove(); this.#buttons.delete(pid); }
		const first = this.over.firstChild;
		if (first && !this.over.querySelector('[tabindex="0"]')) first.tabIndex = 0;
	}
}
