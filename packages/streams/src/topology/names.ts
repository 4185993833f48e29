import { topologyError } from '../errors.ts'

const lengthMax = 249

/**
 * A name that a user gave to a node, a store or a topic, by the rules of Java's `Named`: those of topics,
 * for it may become one.
 *
 * @throws StreamsError `STREAMS_TOPOLOGY_INVALID`
 */
export function checkedName(name: string): string {
  const refuse = (why: string): never => {
    throw topologyError(`the name "${name.slice(0, lengthMax)}" ${why}`)
  }
  if (name === '') refuse('is empty')
  if (name === '.' || name === '..') refuse('cannot be a name')
  if (name.length > lengthMax) refuse(`is longer than ${lengthMax} characters`)
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    refuse('has something else in it than ASCII letters, digits, dots, dashes and underscores')
  return name
}
