import type { Evidence, Property } from './platform.ts';

const property = (evidence: Evidence, says: string, source: string): Property => ({
  says,
  evidence,
  source,
});

/** Its vendor documents it. */
export const documented = (says: string, source: string) => property('documented', says, source);
/** It was read in its source. */
export const read = (says: string, source: string) => property('source', says, source);
/** Users reported it, or it was measured. */
export const observed = (says: string, source: string) => property('observed', says, source);
/** It follows from the others; `source` says how. */
export const inferred = (says: string, source: string) => property('inferred', says, source);
/** Nobody has shown it; `source` says what there is instead. */
export const unproven = (says: string, source = 'nothing that was found') =>
  property('unproven', says, source);
