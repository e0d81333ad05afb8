const FACTORS: Readonly<Record<string, number>> = {
  m: 1,
  '': 1000,
  k: 1e6,
  M: 1e9,
  G: 1e12,
  Ki: 1000 * 2 ** 10,
  Mi: 1000 * 2 ** 20,
  Gi: 1000 * 2 ** 30,
};

/** A Kubernetes quantity such as `100m`, `0.5`, `2k` or `1Gi` in thousandths, rounded up as the API does; undefined when it is none. */
export function milliValue(quantity: string | number | undefined): number | undefined {
  const found = /^([+-]?\d+(?:\.\d*)?|\.\d+)(m|k|M|G|Ki|Mi|Gi|)$/.exec(String(quantity ?? ''));
  const factor = FACTORS[found?.[2] ?? ''];
  return found === null || factor === undefined ? undefined : Math.ceil(Number(found[1]) * factor);
}
