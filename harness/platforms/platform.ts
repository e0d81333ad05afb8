/**
 * How it is known that a platform behaves so: its vendor documents it; it was read in its source; users reported it or
 * it was measured; it follows from the others; or nobody has shown it.
 */
export type Evidence = 'documented' | 'source' | 'observed' | 'inferred' | 'unproven';

/** One property of a platform, in words a report shows. */
export interface Property {
  readonly says: string;
  readonly evidence: Evidence;
  /** Where to look it up: a document's address or title, a repository's file, an issue. */
  readonly source: string;
}

/** A modelled platform: what it is called, which versions it stands for, and how each thing about it is known. */
export interface Platform {
  readonly title: string;
  /** The versions that it stands for; never empty. */
  readonly versions: string;
  readonly properties: readonly Property[];
}
