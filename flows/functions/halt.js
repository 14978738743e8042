// Several rejects in a row point at the tool, not at the part: then the feeder is halted once,
// and stays so until a person releases the line.
const limit = Number(env.get('HALT_AFTER'));
const rejected = msg.inspection?.verdict?.decision === 'reject';
const inARow = rejected ? (context.get('inARow') ?? 0) + 1 : 0;
context.set('inARow', inARow);
if (!(limit > 0) || inARow < limit) return null;
context.set('inARow', 0);
return msg;
