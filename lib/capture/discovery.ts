/** Cameras that can be found without being told where they are, as lists for a person to choose from. */

export interface DiscoveredCamera {
  /** What the source is given to open this camera. */
  id: string;
  /** For people: maker and model. */
  name: string;
  /** Where it is, where that is not the id. */
  address?: string;
  /** As printed on the camera. */
  serial?: string;
  /** What it can be set to, in the words the source takes. */
  modes?: string[];
}
