// View 4: a room, over the WebSocket of its server.
import { t } from './strings.js';
import { $, h } from './dom.js';

const lines = $('#lines'), text = $('#text');
let room = {};

function add(line, className = '') {
	const low = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 60;
	lines.append(h('li', { className }, line));
	if (lines.children.length > 300) lines.firstChild.remove();
	if (low) lines.scrollTop = lines.scrollHeight;
}
export function enter(name) {
	if (room.name === name) return;
	room.ws?.close();
	lines.replaceChildren();
	const r = room = { name, ws: new WebSocket(`chat${location.search || '?'}&server=${encodeURIComponent(name)}`) };
	r.ws.onmessage = e => r === room && add(e.data);
	r.ws.onclose = () => r === room && add(t('chatEnd'), 'in');
}
$('#say').onsubmit = e => {
	e.preventDefault();
	if (room.ws.readyState > 1) {
		const { name } = room;
		room = {}; enter(name);
	} else if (text.value && room.ws.readyState) { room.ws.send(text.value); add(text.value, 'mine'); text.value = ''; }
};
