/**
 * Detection in a function node as tutorials show it: decode and resize with sharp, three loops into
 * planes, `session.run` where the function runs, boxes anchor by anchor, plain suppression. A function
 * node is a realm of its own, whose Float32Array ONNX Runtime does not take: settings.js gives it the
 * outer one.
 */
export const FUNCTION_NODE = `
const ort = global.get('onnxruntime-node');
const sharp = global.get('sharp');
const Float32Array = global.get('Float32Array');

let session = context.get('session');
if (!session) {
  session = await ort.InferenceSession.create(context.get('model'));
  context.set('session', session);
}

const image = sharp(msg.payload);
const { width, height } = await image.metadata();
const pixels = await image.removeAlpha().resize(640, 640, { fit: 'fill' }).raw().toBuffer();

const input = new Float32Array(3 * 640 * 640);
for (let c = 0; c < 3; c++) {
  for (let y = 0; y < 640; y++) {
    for (let x = 0; x < 640; x++) {
      input[c * 640 * 640 + y * 640 + x] = pixels[(y * 640 + x) * 3 + c] / 255;
    }
  }
}

const results = await session.run({ images: new ort.Tensor('float32', input, [1, 3, 640, 640]) });
const output = results.output0.data;

let boxes = [];
for (let i = 0; i < 8400; i++) {
  let best = 0;
  let label = -1;
  for (let c = 0; c < 80; c++) {
    const score = output[(4 + c) * 8400 + i];
    if (score > best) { best = score; label = c; }
  }
  if (best < 0.5) continue;
  const [xc, yc, w, h] = [output[i], output[8400 + i], output[2 * 8400 + i], output[3 * 8400 + i]];
  boxes.push({
    label, score: best,
    x: (xc - w / 2) / 640 * width, y: (yc - h / 2) / 640 * height,
    w: w / 640 * width, h: h / 640 * height,
  });
}

function iou(a, b) {
  const x = Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x));
  const y = Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));
  return x * y / (a.w * a.h + b.w * b.h - x * y);
}

boxes.sort((a, b) => b.score - a.score);
const objects = [];
while (boxes.length > 0) {
  const first = boxes.shift();
  objects.push(first);
  boxes = boxes.filter((box) => box.label !== first.label || iou(first, box) < 0.45);
}
msg.payload = { objects };
return msg;
`;
