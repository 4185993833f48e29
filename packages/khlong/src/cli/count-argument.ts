import { InvalidArgumentError } from 'commander'

/** Reads the whole number that a flag such as `--count` wants. */
export function countArgument(text: string): number {
  const count = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(count) || count < 0)
    throw new InvalidArgumentError('a whole number is wanted.')
  return count
}
