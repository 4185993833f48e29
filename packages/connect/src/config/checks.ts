// What may be wrong about the value of an option, in the words of Kafka's own validators.

/** For numbers; `least` may be. */
export const atLeast =
  (least: number) =>
  (value: number): string | undefined =>
    value >= least ? undefined : `Value must be at least ${least}`

/** For text that is a regular expression. */
export function regularExpression(text: string): string | undefined {
  try {
    new RegExp(text, 'u')
    return undefined
  } catch {
    return 'Invalid regex'
  }
}
