// Topic names and filters, MQTT 5 sections 4.7 and 4.8.

/** Deeper topics are refused, as Mosquitto refuses them; it bounds the walk through the trie. */
export const topicLevelsMax = 200

function levelCount(topic: string): number {
  let count = 1
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) count++
  return count
}

/** Whether a message may be published to `topic`. */
export function isTopicName(topic: string): boolean {
  return (
    topic.length > 0 &&
    !topic.includes('+') &&
    !topic.includes('#') &&
    !topic.includes('\0') &&
    levelCount(topic) <= topicLevelsMax
  )
}

/** Whether `filter` (without a `$share` prefix) is well formed. */
export function isTopicFilter(filter: string): boolean {
  if (filter.length === 0 || filter.includes('\0') || levelCount(filter) > topicLevelsMax)
    return false
  const levels = filter.split('/')
  for (let index = 0; index < levels.length; index++) {
    const level = levels[index]!
    if (level === '+') continue
    if (level === '#') return index === levels.length - 1
    if (level.includes('+') || level.includes('#')) return false
  }
  return true
}

/** A topic filter as a client wrote it, taken apart. */
export interface ParsedFilter {
  /** The filter that topics are matched with. */
  readonly filter: string
  /** The share name, or undefined where the subscription is not shared. */
  readonly share: string | undefined
}

/** Takes `$share/{name}/{filter}` apart; undefined where the filter is not well formed. */
export function parseFilter(written: string): ParsedFilter | undefined {
  if (written !== '$share' && !written.startsWith('$share/'))
    return isTopicFilter(written) ? { filter: written, share: undefined } : undefined
  const end = written.indexOf('/', 7)
  const share = written.slice(7, end)
  const filter = written.slice(end + 1)
  if (end < 0 || share.length === 0 || /[+#]/.test(share) || !isTopicFilter(filter))
    return undefined
  return { filter, share }
}
