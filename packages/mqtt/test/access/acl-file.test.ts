import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Access, type AclRules, parseAclFile } from '../../src/access/acl-file.ts'
import { TopicRights } from '../../src/access/topic-rights.ts'

test('sections, words and names with spaces are read as Mosquitto reads them', () => {
  const rules = parseAclFile(
    `# a comment
topic a/b
  topic  write   c d/#
user  two words
topic deny x
topic readwrite
pattern read %u/%c
user two words
topic read y\r
`,
    'acl',
  )
  assert.deepEqual(rules, {
    anonymous: [
      { filter: 'a/b', access: Access.readWrite },
      { filter: 'c d/#', access: Access.write },
    ],
    users: new Map([
      [
        'two words',
        [
          { filter: 'x', access: Access.none },
          { filter: 'readwrite', access: Access.readWrite },
          { filter: 'y', access: Access.read },
        ],
      ],
    ]),
    patterns: [{ filter: '%u/%c', access: Access.read }],
  })
})

test('a line that cannot be used is refused with its number and the reason', () => {
  const wrong: [string, RegExp][] = [
    ['topics a', /^acl:2: expected user, topic or pattern, found topics$/],
    ['topic', /acl:2: a topic is missing/],
    ['user ', /acl:2: expected user USERNAME/],
    ['topic both a', /acl:2: expected read, write, readwrite or deny before the topic, found both/],
    ['topic read a/#/b', /acl:2: a\/#\/b is not a topic filter/],
    ['pattern read a+', /acl:2: a\+ is not a topic filter/],
    [' # indented', /acl:2: expected user, topic or pattern, found #/],
  ]
  for (const [line, message] of wrong)
    assert.throws(() => parseAclFile(`topic a\n${line}\n`, 'acl'), {
      code: 'SETTINGS_INVALID',
      message,
    })
})

function rightsOf(text: string, username: string | undefined, clientId = 'c1'): TopicRights {
  return new TopicRights(parseAclFile(text, 'acl'), username, clientId)
}

test('a name with a wildcard in it gets nothing from patterns', () => {
  const text = 'pattern readwrite d/%c/#\nuser a+b\ntopic read own\n'
  assert.equal(rightsOf(text, undefined, 'x').mayWrite('d/x/1'), true)
  for (const clientId of ['+', '#', 'x#'])
    assert.equal(rightsOf(text, undefined, clientId).mayWrite('d/x/1'), false)
  assert.equal(rightsOf(text, 'a+b', 'x').mayWrite('d/x/1'), false)
  assert.equal(rightsOf(text, 'a+b', 'x').mayRead('own'), true)
})

test('a pattern with %u is not for clients without a username', () => {
  const text = 'pattern read u/%u\npattern read c/%c\n'
  assert.equal(rightsOf(text, undefined).mayRead('u/%u'), false)
  assert.equal(rightsOf(text, undefined).mayRead('c/c1'), true)
  assert.equal(rightsOf(text, 'eve').mayRead('u/eve'), true)
})

test('an empty file denies everything', () => {
  assert.equal(rightsOf('', 'eve').mayRead('a'), false)
  assert.equal(rightsOf('', undefined).mayWrite('a'), false)
})

/** The rules told in another way: by regular expressions, without a memory. */
function naive(rules: AclRules, user: string | undefined, id: string, topic: string): number {
  const matches = (filter: string): boolean => {
    if (filter.startsWith('$') !== topic.startsWith('$')) return false
    const escaped = filter
      .split('/')
      .map((level) => (level === '+' ? '[^/]*' : level.replace(/[.*?^${}()|[\]\\]/g, '\\$&')))
    const source = escaped.join('/').replace(/(^|\/)#$/, (_, slash) => (slash ? '(/.*)?' : '.*'))
    return new RegExp(`^${source}$`, 's').test(topic)
  }
  const decide = (bit: number): boolean => {
    const own = user === undefined ? rules.anonymous : (rules.users.get(user) ?? [])
    for (const { filter, access } of own) if (access === 0 && matches(filter)) return false
    for (const { filter, access } of own) if (access & bit && matches(filter)) return true
    if (/[+#]/.test(id) || /[+#]/.test(user ?? '')) return false
    const patterns = rules.patterns
      .filter(({ filter }) => user !== undefined || !filter.includes('%u'))
      .map(({ filter, access }) => ({
        filter: filter
          .split('%c')
          .join(id)
          .split('%u')
          .join(user ?? '%u'),
        access,
      }))
    for (const { filter, access } of patterns) if (access === 0 && matches(filter)) return false
    return patterns.some(({ filter, access }) => (access & bit) !== 0 && matches(filter))
  }
  return (decide(1) ? 1 : 0) | (decide(2) ? 2 : 0)
}

test('rights are what a plain reading of any file says', () => {
  const level = fc.constantFrom('a', 'b', '+', '%c', '%u', '$s', '')
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
    .filter((text) => text !== '')
  const kind = fc.constantFrom('topic', 'topic', 'pattern')
  const word = fc.constantFrom('read', 'write', 'readwrite', 'deny')
  const line = fc.oneof(
    fc.tuple(kind, word, filter).map((words) => words.join(' ')),
    fc.constantFrom('user a', 'user b', '# comment', ''),
  )
  const name = fc.constantFrom(undefined, 'a', 'b', 'a+', 'a/b')
  const topic = fc
    .array(fc.constantFrom('a', 'b', '$s', '', 'c'), { minLength: 1, maxLength: 4 })
    .map((levels) => levels.join('/'))
    .filter((text) => text !== '')
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 10 }),
      name,
      name,
      fc.array(topic, { minLength: 1, maxLength: 6 }),
      (lines, user, written, topics) => {
        const id: string = written ?? 'x'
        const rules = parseAclFile(lines.join('\n'), 'acl')
        const rights = new TopicRights(rules, user, id)
        for (const one of [...topics, ...topics]) {
          const found = (rights.mayRead(one) ? 1 : 0) | (rights.mayWrite(one) ? 2 : 0)
          assert.equal(found, naive(rules, user, id, one), one)
        }
      },
    ),
    { numRuns: 3_000 },
  )
})

test('any text is rules or an error that names file and line', () => {
  const part = fc.constantFrom('user', 'topic', 'pattern', 'read', ' ', '\n', '#', '+', '%c', 'a')
  const text = fc.oneof(
    fc.string(),
    fc.array(part).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (written) => {
      try {
        parseAclFile(written, 'f')
      } catch (error) {
        assert.match((error as Error).message, /^f:\d+: /)
      }
    }),
    { numRuns: 2_000 },
  )
})
