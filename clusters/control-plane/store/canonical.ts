/** JSON with sorted keys, so that the order in which something was written does not matter; of its fields those that `keeps` takes. */
export const canonical = (value: unknown, keeps: (field: unknown) => boolean = () => true): string =>
  JSON.stringify(value, (_key, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(
          Object.entries(inner)
            .filter(([, field]) => keeps(field))
            .sort(([left], [right]) => (left < right ? -1 : 1)),
        )
      : inner,
  );
