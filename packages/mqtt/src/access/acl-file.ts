import { isTopicFilter } from '../protocol/topic.ts'
import { lineError } from './access-file-error.ts'

// Mosquitto's acl_file:
//
//   topic [read|write|readwrite|deny] TOPIC      for clients without a username, until…
//   user USERNAME                                …what follows is for that user
//   pattern [read|write|readwrite|deny] TOPIC    for everyone, with %c (client id) and %u (username)

/** What a client may do with a topic, as bits. */
export const Access = { none: 0, read: 1, write: 2, readWrite: 3 } as const

/** One line of an access file. */
export interface AclRule {
  readonly filter: string
  /** Bits of {@link Access}; none denies what other lines allow. */
  readonly access: number
}

/** What an access file says. */
export interface AclRules {
  readonly users: ReadonlyMap<string, readonly AclRule[]>
  /** For clients without a username. */
  readonly anonymous: readonly AclRule[]
  readonly patterns: readonly AclRule[]
}

const accessByName: Readonly<Record<string, number>> = {
  read: Access.read,
  write: Access.write,
  readwrite: Access.readWrite,
  deny: Access.none,
}

/** @throws SettingsError `SETTINGS_INVALID` with file and line. */
export function parseAclFile(text: string, file: string): AclRules {
  const users = new Map<string, AclRule[]>()
  const anonymous: AclRule[] = []
  const patterns: AclRule[] = []
  let topics = anonymous
  for (const [index, written] of text.split('\n').entries()) {
    const refuse = (what: string): Error => lineError(file, index + 1, what)
    if (written.startsWith('#')) continue
    const line = written.trimEnd().replace(/^ +/, '')
    if (line === '') continue
    const [keyword, ...words] = line.split(' ')
    // A name or a topic may hold spaces; those before it do not count.
    const rest = words.join(' ').trim()
    switch (keyword) {
      case 'user': {
        if (rest === '') throw refuse('expected user USERNAME')
        topics = users.get(rest) ?? []
        users.set(rest, topics)
        break
      }
      case 'topic':
        topics.push(parseRule(rest, refuse))
        break
      case 'pattern':
        patterns.push(parseRule(rest, refuse))
        break
      default:
        throw refuse(`expected user, topic or pattern, found ${keyword}`)
    }
  }
  return { users, anonymous, patterns }
}

function parseRule(text: string, refuse: (what: string) => Error): AclRule {
  if (text === '') throw refuse('a topic is missing')
  const space = text.indexOf(' ')
  const word = space < 0 ? '' : text.slice(0, space)
  const access = space < 0 ? Access.readWrite : accessByName[word]
  if (access === undefined)
    throw refuse(`expected read, write, readwrite or deny before the topic, found ${word}`)
  const filter = space < 0 ? text : text.slice(space + 1).trim()
  if (!isTopicFilter(filter)) throw refuse(`${filter} is not a topic filter`)
  return { filter, access }
}
