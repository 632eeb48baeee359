// View 1: every server in a row, one of them in a drawer.
import { t } from './strings.js';
import { $, $$, h, put, ask } from './dom.js';
import { MiB, secs, cause } from './stage.js';

const num = n => (n >= 1e4 ? `${Math.round(n / 1e3)}k` : String(Math.round(n)));
const pair = (a, b) => (!b ? '–' : b < 1000 ? `${Math.round(a)} / ${Math.round(b)} ms` : `${(a / 1000).toFixed(1)} / ${(b / 1000).toFixed(1)} s`);
const reasons = (s, by) => Object.entries(s.refused).map(e => e.join(' ')).join(by);
let rows = new Map(), events = [], page, shown;

export function reset(p) { page = p; rows = new Map(); shown = ''; $('.list tbody').replaceChildren(); }
export function seen(e) { events.push(e); if (events.length > 400) events.splice(0, 200); }
function state(e, s) {
	if (e.state === s) return;
	e.state = s;
	e.replaceChildren(h('span', { className: `pill ${s}` }, h('i', { ariaHidden: 'true' }), t(s)));
}
function spark(svg, v) {
	const top = Math.max(4, ...v), x = i => 120 - (v.length - 1 - i) * 2, d = `M${v.map((y, i) => `${x(i)},${(26 - 24 * y / top).toFixed(1)}`).join('L')}`;
	svg.firstChild.setAttribute('d', `${d}V28H${x(0)}Z`); svg.lastChild.setAttribute('d', d);
}
function row(s) {
	const r = $('#row').content.firstElementChild.cloneNode(true), [name, how] = r.cells, link = $('a', name);
	link.href = `#/servers/${s.name}`; put(link, s.name);
	r.onclick = e => e.target.closest('a') || link.click();
	for (const td of r.cells) td.dataset.k = t(td.className);
	$('small', name).append(...s.listen.map(a => h('span', {}, a)), h('b'));
	$('.glyph', how).classList.add(s.plugin ? 'plugin' : s.strategy);
	put($('.glyph + span', how), t(s.strategy)); put($('small', how), s.plugin ? `${t('plugin')} ${s.handler}` : s.handler);
	rows.set(s.name, r);
	return r;
}

export function draw(frame, model, pick) {
	const all = [...frame.servers], sum = f => num(all.reduce((n, s) => n + f(s), 0)), body = $('.list tbody');
	const sums = { kServing: t('nOf', { a: sum(s => s.state === 'serving'), b: all.length }), kRate: sum(s => s.rate), kActive: sum(s => s.active), kQueue: sum(s => s.queue), kProcs: sum(s => s.children.length), kBad: sum(s => s.errors) };
	for (const k in sums) put($(`#${k}`), sums[k]);
	all.sort((a, b) => (b.state === 'failed') - (a.state === 'failed')).forEach((s, i) => { // what is broken stands first
		const r = rows.get(s.name) ?? row(s), [name, , active, queue, rate, lat, errors, refused, procs] = r.cells;
		if (body.children[i] !== r) body.insertBefore(r, body.children[i] ?? null);
		state($('.st', r), s.state); r.className = s.state; r.toggleAttribute('data-on', s.name === pick);
		put($('b', name), s.cause ?? '');
		for (const [td, value, max] of [[active, s.active, s.limit], [queue, s.queue, s.backlog]]) { put(td.firstChild, `${num(value)} / ${num(max)}`); Object.assign(td.lastChild, { max, high: max * .8, optimum: 0, value }); }
		put(rate.firstChild, num(s.rate)); spark(rate.lastChild, [0, ...model.rates.get(s.name)?.v ?? []]);
		put(lat, pair(s.p50, s.p99)); put(errors, s.errors ? `! ${s.errors}` : 0); errors.classList.toggle('bad', s.errors);
		put(refused.firstChild, Object.values(s.refused).reduce((a, b) => a + b, 0)); put(refused.lastChild, reasons(s, ', ')); put(procs, s.children.length || '–');
	});
	drawer(all.find(s => s.name === pick), frame.t);
}

function drawer(s, now) {
	const d = $('#drawer');
	d.hidden = !s; $('#servers').classList.toggle('open', !!s);
	if (shown !== s?.name) { shown = s?.name; if (s) $('.x', d).focus({ preventScroll: true }); }
	if (!s) return;
	d.dataset.state = s.state; put($('h2', d), s.name); state($('.st', d), s.state); put($('.cause', d), s.cause ?? ''); put($('.what', d), [t(s.strategy), s.handler, ...s.listen].join(' · ')); $('.go', d).href = `#/stage/${s.name}`;
	for (const b of $$('[data-act]', d)) {
		const a = b.dataset.act;
		b.onclick = async () => { if (await ask(`${t(a)}: ${s.name}`, [h('p', {}, t(`${a}Q`, { s: s.name }))], t(a), b.className)) page.post('servers', { server: s.name, action: a }); };
	}
	const line = (k, c) => h('li', {}, h('b', {}, `${t(k)} ${c.pid}`), h('span', {}, [MiB(c.rss), c.age && secs(c.age), c.served >= 0 && `${t('served')} ${c.served}${c.max ? `/${c.max}` : ''}`].filter(x => x).join(' · '))), more = s.children.length - 12;
	$('.tree', d).replaceChildren(line('main', s), h('ul', {}, ...s.children.slice(0, 12).map(c => line(c.kind, c)), more > 0 && h('li', {}, `+${more}`)));
	put($('.why', d), reasons(s, ' · ') || t('none'));
	$('.events', d).replaceChildren(...events.filter(e => e.s === s.name && e.k !== 'read').slice(-8).reverse().map(e => h('li', {}, h('time', {}, t('ago', { s: Math.max(0, (now - e.t) / 1000).toFixed(1) })), h('b', {}, e.k), h('span', {}, [e.peer, e.pid, e.outcome ?? e.why ?? e.where, e.cause && cause(e.cause), e.bytes && `${e.bytes} B`].filter(x => x).join(' ')))));
}
