// Keeps what the operator's page shows: one state, sent whole, so that a page opened later sees it all.
const state = context.get('state') ?? {
  counts: { accept: 0, review: 0, reject: 0 },
  ages: [],
  last: null,
  teaching: null,
  model: null,
  line: null,
  link: null,
  alarms: [],
  rejects: [],
};

/** As a browser can show it; raw pixels it cannot. */
async function picture(frame) {
  if (!frame || ['rgb', 'gray', 'tiff'].includes(frame.format)) return null;
  const bytes = await frame.read();
  return `data:image/${frame.format};base64,${bytes.toString('base64')}`;
}

function quantile(sorted, share) {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function alarm(code, text) {
  const same = state.alarms.find((item) => item.code === code && item.text === text);
  if (same) {
    same.times += 1;
    same.at = Date.now();
  } else {
    state.alarms.unshift({ code, text, at: Date.now(), times: 1 });
    state.alarms.length = Math.min(state.alarms.length, 5);
  }
}

function entryOf(id) {
  return state.rejects.find((item) => item.id === id);
}

/** What comes from these nodes is an alarm, not another part. */
const ACTING = ['tolerance-gate', 'plc-write', 'mes-ticket'];

let judged = null;
const { inspection } = msg;

if (msg.topic === 'jidoka/teaching') {
  const { ended, code, message } = msg.payload;
  state.teaching = ended ? null : msg.payload;
  if (ended === 'failed') alarm(code ?? 'TEACH_FAILED', message ?? 'the lesson has failed');
} else if (msg.topic === 'jidoka/drift') alarm(msg.payload.code, msg.payload.message);
else if (msg.topic === 'jidoka/model') {
  state.model = msg.payload;
  state.teaching = null;
} else if (msg.topic === 'line') state.line = typeof msg.payload === 'object' ? msg.payload : null;
else if (msg.status) state.link = { text: msg.status.text, fill: msg.status.fill };
else if (msg.error && ACTING.includes(msg.error.source?.type)) {
  alarm(msg.error.code ?? 'ERROR', msg.error.message);
} else if (inspection?.ticket?.state === 'failed') {
  const entry = entryOf(inspection.part.id);
  if (entry) entry.ticket = 'ticket refused by the MES';
  alarm('TICKET_FAILED', `part ${inspection.part.sequence}: ${msg.error?.message ?? 'set aside'}`);
} else if (inspection?.ticket && msg.payload === inspection.ticket.id) {
  const entry = entryOf(inspection.part.id);
  if (entry) entry.ticket = inspection.ticket.id;
} else if (inspection?.command) {
  const { outcome, reason, tag } = inspection.command;
  const entry = entryOf(inspection.part.id);
  if (entry) entry.command = { outcome, reason, tag };
  if (state.last?.id === inspection.part.id) state.last.command = { outcome, reason, tag };
  if (outcome !== 'confirmed') alarm(reason ?? outcome, `${tag}: ${outcome}`);
} else if (inspection?.verdict) {
  const { decision, score, threshold, reason, calibration } = inspection.verdict;
  state.counts[decision] += 1;
  state.ages.push(inspection.timings.age);
  if (state.ages.length > 500) state.ages.shift();
  judged = inspection.part.id;
  state.last = {
    id: inspection.part.id,
    sequence: inspection.part.sequence,
    at: inspection.part.capturedAt,
    decision,
    score,
    threshold,
    reason,
    calibration,
    boxes: inspection.anomaly?.boxes ?? [],
    size: inspection.frame ? { width: inspection.frame.width, height: inspection.frame.height } : null,
    health: inspection.frame?.health ?? null,
    source: inspection.frame?.source ?? null,
    command: null,
  };
  if (decision === 'reject') {
    state.rejects.unshift({ ...state.last, picture: null, ticket: null });
    state.rejects.length = Math.min(state.rejects.length, 10);
  }
} else if (msg.error) alarm(msg.error.code ?? 'ERROR', msg.error.message);
else return null;

context.set('state', state);

function page() {
  const live = context.get('live') ?? { picture: null, heat: null };
  const ages = [...state.ages].sort((a, b) => a - b);
  const { counts, last, teaching, model, line, link, alarms, rejects } = state;
  return {
    payload: {
      station: env.get('STATION'),
      shifts: env.get('SHIFTS'),
      counts,
      last,
      teaching,
      model,
      line,
      link,
      alarms,
      rejects,
      picture: live.picture,
      heat: live.heat,
      latency: { p50: quantile(ages, 0.5), p99: quantile(ages, 0.99), parts: ages.length },
    },
  };
}

// The heatmap is made after the part has gone on: the page is told once more when it is there.
if (judged && (msg.heatmap || msg.frame)) {
  Promise.all([picture(msg.frame), picture(msg.heatmap)]).then(([plain, heat]) => {
    const entry = state.rejects.find((item) => item.id === judged);
    if (entry) entry.picture = heat ?? plain;
    context.set('live', { picture: plain, heat });
    node.send(page());
  }, node.warn);
}
return page();
