// A topology's description lists names in the order that Java's hash sets and tree sets give them.
// Tools compare these texts, so that order is part of the format.

/** `String.hashCode` with the spreading of `HashMap`. */
function spreadHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++)
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash ^ (hash >>> 16)
}

/** The order in which a `HashSet` of these texts, added one by one, is walked. */
export function hashOrder(texts: Iterable<string>): string[] {
  const distinct = [...new Set(texts)]
  let capacity = 16
  while (distinct.length > capacity * 0.75) capacity *= 2
  const bucket = (text: string): number => (spreadHash(text) & (capacity - 1)) >>> 0
  // `sort` is stable: texts of one bucket keep the order in which they were added.
  return distinct.sort((a, b) => bucket(a) - bucket(b))
}

/** Orders by UTF-16 code units, as `String.compareTo` does. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Puts `item` where a tree set with this comparison would hold it. */
export function insertSorted<T>(items: T[], item: T, compare: (a: T, b: T) => number): void {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(item, items[middle]!) < 0) high = middle
    else low = middle + 1
  }
  items.splice(low, 0, item)
}
