/**
 * Paths as code: relative to the variables that every kernel has. Pure.
 */

/**
 * A Python expression for a URI: `os.environ["USER_S3_PATH"] + "a/b.csv"`, by the variable that takes most of it; without one,
 * the URI as a string.
 */
export function expressionOf(
  uri: string,
  environment: Readonly<Record<string, string>>
): string {
  let best: [string, string] | null = null;
  for (const [name, value] of Object.entries(environment)) {
    const folder = value.endsWith('/') ? value : `${value}/`;
    if (uri.startsWith(folder) && value.length > (best?.[1].length ?? 0)) {
      best = [name, value];
    }
  }
  if (best === null) {
    return JSON.stringify(uri);
  }
  const [name, value] = best;
  const rest = uri.slice(value.length);
  const variable = `os.environ["${name}"]`;
  return rest === '' ? variable : `${variable} + ${JSON.stringify(rest)}`;
}
