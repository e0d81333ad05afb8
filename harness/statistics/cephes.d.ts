/** What is used of it: the package has types, but its list of exports does not lead a compiler to them. */
declare module 'cephes' {
  /** Settles once the functions can be called. */
  export const compiled: Promise<void>;
  export function erfc(x: number): number;
  /** The quantile of Student's t. */
  export function stdtri(free: number, probability: number): number;
}
