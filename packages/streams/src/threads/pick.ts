/** Some of an object's properties; those that are undefined are left out. */
export function pick<T extends object, Key extends keyof T>(
  from: T,
  ...keys: Key[]
): { [Each in keyof Pick<T, Key>]: Exclude<T[Each], undefined> } {
  return Object.fromEntries(
    keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]),
  ) as { [Each in keyof Pick<T, Key>]: Exclude<T[Each], undefined> }
}
