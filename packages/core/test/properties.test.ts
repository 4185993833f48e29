import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProperties } from '../src/index.ts'

test('properties are read as Java reads them', () => {
  const text = [
    '# a comment',
    '! another',
    'plain=value',
    '  spaced key\\ name  :  a value ',
    'word rest of it',
    'empty=',
    'joined=one, \\',
    '    two',
    'escaped=tab\\there \\u0e04\\u0e25\\u0e2d\\u0e07 back\\\\slash',
    'url=http://host:80/?a=b',
    '\\==1',
    'late=1,\\',
    '   2',
    'alone',
  ].join('\n')
  assert.deepEqual(parseProperties(text), {
    plain: 'value',
    spaced: 'key name  :  a value ',
    word: 'rest of it',
    empty: '',
    joined: 'one, two',
    escaped: 'tab\there คลอง back\\slash',
    url: 'http://host:80/?a=b',
    '=': '1',
    late: '1,2',
    alone: '',
  })
})
