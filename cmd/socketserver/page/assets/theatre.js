// View 3: the same clients at two servers, a guess before each mishap, and a score.
import { t, list } from './strings.js';
import { $, $$, h, put, ask } from './dom.js';
import { MiB } from './stage.js';

const OWN = /panic|exit|leak|hang/, guesses = {};
const SCORE = { answered: s => s.answered, cut: s => s.cut, waiting: s => s.queue + s.waiting, started: s => s.started, memory: s => s.rss + s.children.reduce((n, c) => n + c.rss, 0) };
let rows = [];
export const title = s => t(s.name.split('/')[1]);

export function reset(page) {
	for (const b of $$('#theatre [data-kind]')) { const { kind, n } = b.dataset; b.onclick = () => (kind && kind !== 'slow' ? mishap(page, kind) : page.post('theatre/clients', { kind, n: +n })); }
}
export const key = k => $(`#theatre [aria-keyshortcuts="${CSS.escape(k)}"]`)?.click();

async function mishap(page, k) {
	let said;
	page.live();
	if ($('#predict').checked) {
		const choices = rows.map((s, i) => h('fieldset', {}, h('legend', {}, title(s)), ...list('answers').map((a, n) => h('label', {}, h('input', { type: 'radio', name: `a${i}`, value: n, required: true }), a))));
		said = await ask(t(k), [h('p', {}, t(`${k}Q`)), h('p', { className: 'q' }, t('ask')), h('div', { className: 'pair' }, ...choices)], t('run'));
		if (!said) return;
	}
	rows.forEach((s, i) => { guesses[s.name + k] = said?.get(`a${i}`); });
	page.post(...(k === 'sigkill' ? ['theatre/kill', {}] : ['theatre/clients', { kind: k, n: 1 }]));
}

// seen shows what a mishap came to, beside what was guessed.
export function seen(e, sides) {
	if (e.k !== 'verdict') return;
	const all = list('answers'), own = `${e.kind}_${e.answer}`, text = t(own), guess = guesses[e.s + e.kind], ok = +guess === e.answer;
	sides.find(p => p.name === e.s)?.verdict(`${t(e.kind)}: ${text === own ? all[e.answer] : text}`, guess && (ok ? t('right') : t('wrong', { a: all[guess] })), ok);
}

export function draw(all) {
	if (!all[0] || !all[1]) return;
	rows = all;
	$$('.score th[scope=col]').forEach((c, i) => put(c, title(rows[i])));
	for (const b of $$('#theatre [data-kind]')) b.disabled = !rows.some(s => s.state === 'serving') || OWN.test(b.dataset.kind) && rows[0].handler !== 'mishaps';
	for (const [k, f] of Object.entries(SCORE)) {
		const v = rows.map(f), r = $(`#${k}`), max = Math.max(1, ...v);
		$$('b', r).forEach((b, i) => put(b, k === 'memory' ? MiB(v[i]) : v[i]));
		$$('meter', r).forEach((m, i) => Object.assign(m, { max, value: v[i] }));
	}
}
