/** What of a cluster is there, or why it cannot be used. */
export type Found<T> = { readonly there: T } | { readonly why: string };

/** `v1.12.1` of `registry.example/controller:v1.12.1@sha256:...`. */
export const imageTag = (image: string | undefined): string | undefined =>
  /:([^:@/]+)(@|$)/.exec(image ?? '')?.[1];
