/** What can go wrong when the plant in a box starts. */
import { CodedError } from '../lib/errors.ts';

export class PlantError extends CodedError<
  'PLANT_PORT_BUSY' | 'PLANT_NO_IMAGES' | 'PLANT_BAD_OPTION' | 'PLANT_PAINTER_FAILED'
> {}
