/** The two ways in which reading a detector's outputs ends without a result. */
import { InferenceError } from '../../errors.ts';

/** The outputs do not have the shapes that are read. */
export function unsupported(message: string): InferenceError {
  return new InferenceError('MODEL_OUTPUT_UNSUPPORTED', message, {
    hint:
      'Detect reads YOLOX 1×N×(5+C), YOLOv8 1×(4+C)×N either way round, YOLOv5 1×N×(5+C), NanoDet 1×N×(C+32), ' +
      'SSD as boxes, scores and classes, and end-to-end 1×N×6, N×7, dets with labels, or logits with boxes. ' +
      'Choose the format if it is one of these.',
  });
}

export function notFinite(): InferenceError {
  return new InferenceError(
    'SCORE_NOT_FINITE',
    'a score, a class or a box of a detection is not a finite number',
    {
      hint: 'The model or its input is broken; nothing may be accepted on this prediction.',
    },
  );
}
