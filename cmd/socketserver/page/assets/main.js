// The page: which view, which clock, which language; the views draw.
import { t, list, swap, language } from './strings.js';
import { $, $$, h, put, ask } from './dom.js';
import { Model, KEEP } from './model.js';
import { Stage, cause, ended } from './stage.js';
import * as servers from './servers.js';
import * as theatre from './theatre.js';
import * as chat from './chat.js';

const model = new Model(), still = matchMedia('(prefers-reduced-motion: reduce)'), root = document.documentElement, q = location.search; // ?token=...
let views = [], view = '', pick = '', link = 'lost', fresh = performance.now(), drawn = 0, told = 0, refused = '';
const news = s => put($('#news'), s);
const page = { readonly: () => !!model.frame?.readonly, live, post };
async function post(path, body) {
	const r = await fetch(path + q, { method: 'POST', body: JSON.stringify(body) }).catch(() => 0);
	refused = r.ok ? '' : r ? await r.text() : t('lost');
	if (refused) setTimeout(() => { refused = ''; state(); }, 8000);
	state();
}

function panel(host, name) {
	const p = { name, stage: new Stage($('.box', host), choose) }, [says, again, rate, title] = ['.says', '.again', '.rate', 'h2'].map(q => $(q, host));
	again.onclick = () => page.post('theatre/start', { server: p.name });
	async function choose(pid, kind) {
		const { row, procs } = model.scene(p.name), self = kind === 'main' && !row.theatre, n = procs.get(pid)?.slots.size ?? 0;
		if (page.readonly() || !await ask(t('killT', { p: pid }), [h('p', {}, t(self ? 'selfQ' : 'killQ', { n }))], self ? '' : t('kill', { p: pid }), true)) return;
		live(); page.post('kill', { server: p.name, pid });
	}
	p.verdict = (text, guess, ok) => { p.until = performance.now() + 12_000; says.replaceChildren(text, h('b', { className: ok ? 'right' : 'wrong' }, guess)); says.className = 'says verdict'; };
	p.draw = now => {
		const sc = model.scene(p.name), s = sc.row;
		if (!s) return;
		p.stage.draw(sc, now, still.matches, s.theatre);
		if (Math.abs(now - (p.said ?? -1e9)) < 400) return;
		p.said = now;
		const off = ended(s), own = s.theatre && theatre.title(s), kind = s.plugin ? 'plugin' : s.strategy;
		put(title, p !== one && own || s.name);
		again.hidden = !off || !s.theatre; put(again, t('again', { s: own }));
		put(rate, t(s.sample > 1 ? 'sampled' : 'exact', { e: s.events, n: s.sample })); rate.classList.toggle('strong', s.sample > 1);
		p.stage.canvas.ariaLabel = t('stageAria', { s: s.name, a: s.active, q: s.queue });
		if (performance.now() < p.until) return;
		says.className = 'says';
		put(says, off ? t('sDead', { c: cause(s.cause) }) : t(`s_${kind}`, { a: s.active, p: s.children.length }) + (kind === 'forking' && s.queue + s.waiting && s.children.filter(c => c.active).length >= s.max ? ` ${t('sWait', { n: s.queue + s.waiting })}` : ''));
	};
	return p;
}
const one = panel($('.one'), ''), sides = ['#left', '#right'].map(q => panel($(q), ''));

function words() {
	root.lang = language();
	for (const e of $$('[data-t]')) put(e, t(e.dataset.t));
	for (const e of $$('[data-l]')) e.ariaLabel = e.title = t(e.dataset.l);
	for (const ul of $$('.legend')) ul.replaceChildren(...list('legend').map((s, i) => h('li', { className: `k${i}` }, h('i', { ariaHidden: 'true' }), s)));
	servers.reset(page); theatre.reset(page);
	for (const p of [one, ...sides]) p.stage.theme();
	route();
}

function route() {
	const [, v, ...rest] = location.hash.split('/');
	if (view !== v) scrollTo(0, 0);
	view = root.dataset.view = views.includes(v) ? v : views[0] ?? '';
	pick = decodeURIComponent(rest.join('/'));
	for (const a of $$('nav a')) a.ariaCurrent = a.hash === `#/${view}` ? 'page' : null;
	document.title = `${t(view)} · socketserver`;
	drawn = 0; state();
}

// state shows what there is: nothing yet, no server, or the view, and how fresh it is.
function state() {
	const f = model.frame, none = f && !f.servers.length, blank = !f || none, what = link === 'live' ? (model.replay ? 'replay' : f.recorded ? 'recorded' : link) : link;
	$('#blank').hidden = !blank; $('#blank pre').hidden = !none; $('#time').hidden = blank || !['stage', 'theatre'].includes(view);
	put($('#blank h1'), t(none ? 'emptyTitle' : link === 'off' ? 'off' : 'waitTitle')); put($('#blank p'), none ? t('emptyText') : '');
	for (const id of ['servers', 'stage', 'theatre', 'chat']) { $(`#${id}`).hidden = blank || id !== view; $(`nav [href$=${id}]`).hidden = !views.includes(id); }
	put($('#link'), t(what)); $('#link').className = `badge ${what}`;
	root.classList.toggle('stale', link !== 'live'); root.classList.toggle('readonly', page.readonly());
	const trouble = link === 'off' ? t('offText') : link === 'lost' && f ? t('lostText', { s: Math.round((performance.now() - fresh) / 1000) }) : refused;
	$('#trouble').hidden = !trouble; put($('#trouble'), trouble);
}

// The clock: live, or somewhere in the last minute.
function live() { model.replay = null; model.playing = true; clock(); state(); }
function hold(t) { model.seek(t); state(); clock(); }
function clock() {
	const ago = model.replay ? (model.at - model.replay.t) / 1000 : 0, c = $('.track canvas'), w = c.width = c.clientWidth, g = c.getContext('2d'), mine = shown().map(p => p.name);
	put($('#ago'), ago > .05 ? t('ago', { s: ago.toFixed(1) }) : t('nowT')); put($('#play'), t(model.playing ? 'pause' : 'play'));
	$('#scrub').value = -ago; $('#golive').disabled = !model.replay;
	g.fillStyle = one.stage.c.bad;
	for (const m of model.marks) if (mine.includes(m.s)) { const x = 8 + (w - 16) * (1 - (model.at - m.t) / KEEP); g.beginPath(); g.lineTo(x - 4, 1); g.lineTo(x + 4, 1); g.lineTo(x, 9); g.fill(); }
}
$('#scrub').oninput = e => { if (!model.replay) model.playing = false; hold(model.at + e.target.value * 1000); };
$('#play').onclick = () => { model.playing = !model.playing; hold(model.now); };
$('#golive').onclick = live;
$('#rate').onchange = e => { model.rate = +e.target.value; if (model.rate < 1 && !model.replay) hold(model.now - 3000); };
$('#lang').onclick = () => { swap(); words(); };
$('#large').onclick = () => { localStorage.setItem('large', root.classList.contains('large') ? '' : 1); large(localStorage.getItem('large')); };
function large(on) { root.classList.toggle('large', on); $('#large').ariaPressed = !!on; words(); }
for (const s of $$('.bar select')) s.onchange = () => { location.hash = `#/${view}/${s.value}`; };
const shown = () => (view === 'stage' ? [one] : view === 'theatre' ? sides : []);
onkeydown = e => {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input:not([type=range],[type=checkbox]),select,dialog')) return;
	if (e.key === 'Escape' && view === 'servers') location.hash = '#/servers';
	if (view === 'theatre') theatre.key(e.key);
	if (e.key === ' ' && e.target === document.body && !$('#time').hidden) { e.preventDefault(); $('#play').click(); }
};

const feed = new EventSource(`events${q}`);
feed.addEventListener('error', () => { link = feed.readyState === 2 ? 'off' : 'lost'; state(); });
feed.addEventListener('frame', e => {
	const redo = !model.frame ? words : link !== 'live' && state;
	model.push(JSON.parse(e.data));
	fresh = performance.now(); link = 'live';
	const all = model.frame.servers, both = all.filter(s => s.theatre), has = both.length ? ['theatre', 'stage'] : ['servers', 'stage', ...all.some(s => s.chat) ? ['chat'] : []];
	sides.forEach((p, i) => { p.name = both[i]?.name; });
	if (`${views}` !== `${has}`) { views = has; words(); } else if (redo) redo();
});
function happened(e) {
	servers.seen(e); theatre.seen(e, sides);
	if (e.k === 'died' && e.cause !== 'done' && e.t - told > 1000) { told = e.t; news(t('evDied', { s: e.s, p: e.pid, c: cause(e.cause), n: e.cut ?? 0 })); }
	if (e.k === 'state') news(`${e.s}: ${t(e.state)}`);
	if (e.k === 'plugin') news(t('evPlugin', e));
}
function tick(ts) {
	requestAnimationFrame(tick);
	const now = model.tick(happened), f = model.frame, due = ts - drawn > 500;
	if (!f?.servers.length) return;
	const sel = $(`#${view} select`);
	if (sel) {
		const room = view === 'chat', all = f.servers.filter(s => !room || s.chat).map(s => s.name), name = all.includes(pick) ? pick : all[0];
		if (sel.options.length !== all.length) sel.replaceChildren(...all.map(n => h('option', {}, n)));
		if (sel.value !== name) sel.value = name;
		if (room) chat.enter(name); else one.name = name;
	}
	if (due || !still.matches) for (const p of shown()) p.draw(now); // less motion: two steps a second
	if (!due) return;
	drawn = ts;
	if (link !== 'live') state();
	if (view === 'servers') servers.draw(f, model, pick);
	if (view === 'theatre') theatre.draw(sides.map(p => model.scene(p.name).row));
	if (!$('#time').hidden) clock();
}
matchMedia('(prefers-color-scheme: dark)').onchange = words;
onhashchange = route;
large(!!localStorage.getItem('large'));
requestAnimationFrame(tick);
globalThis.page = { model, one, sides }; // for tests
