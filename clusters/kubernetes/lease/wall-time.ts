/** Now, as the rest of the world sees it: only for expiry dates and names, never for model time. */
export const wallTime = (): Date => new Date();
