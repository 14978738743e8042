/** The optional libraries behind series: loaded when first needed, so that nobody who looks only at pictures pays for them. */
import type FFT from 'fft.js';
import { SeriesError } from './errors.ts';

export type Fft = InstanceType<typeof FFT>;

/** The constructor of fft.js; sizes are powers of two. Throws `SERIES_LIBRARY_MISSING`. */
export async function fourier(): Promise<typeof FFT> {
  return (await load('fft.js', () => import('fft.js'))).default;
}

/**
 * Eigenvalues, ascending, and eigenvectors (columns of `vectors`) of a symmetric matrix.
 * Throws `SERIES_LIBRARY_MISSING`.
 */
export async function symmetricEigen(matrix: number[][]): Promise<{ values: number[]; vectors: number[][] }> {
  const { EVD, Matrix } = await load('ml-matrix', () => import('ml-matrix'));
  const evd = new EVD(new Matrix(matrix), { assumeSymmetric: true });
  return { values: evd.realEigenvalues, vectors: evd.eigenvectorMatrix.to2DArray() };
}

async function load<Library>(name: string, importing: () => Promise<Library>): Promise<Library> {
  try {
    return await importing();
  } catch (cause) {
    throw new SeriesError('SERIES_LIBRARY_MISSING', `${name} is not installed`, {
      hint: `Run “npm install ${name}” in Node-RED's user folder and restart.`,
      cause,
    });
  }
}
