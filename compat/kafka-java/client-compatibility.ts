import assert from 'node:assert/strict'
import { classPath, JavaProcess, type KafkaRelease } from './java.ts'
import type { JavaCase } from './run.ts'

const releases: readonly KafkaRelease[] = ['2.8.2', '3.9.1', '4.3.1']

/** What the client of a release may use of this broker: all that the program can ask about. */
export const clientCompatibility: readonly JavaCase[] = releases.map((release) => ({
  name: `ClientCompatibilityTest of ${release}`,
  run: async ({ target, cache }) => {
    const supported = [
      'offsets-for-times',
      'cluster-id',
      'create-topics',
      'describe-acls',
      'describe-configs',
      // The program of 2.8 does not ask about it yet.
      ...(release === '2.8.2' ? [] : ['idempotent-producer']),
    ]
    const program = new JavaProcess(
      await classPath(cache, release),
      'org.apache.kafka.tools.ClientCompatibilityTest',
      [
        ...['--bootstrap-server', target.bootstrapServers, '--topic', 'compatibility'],
        ...['--num-cluster-nodes', '1', '--expect-record-too-large-exception', 'false'],
        ...supported.flatMap((what) => [`--${what}-supported`, 'true']),
      ],
    )
    assert.equal(await program.end(), 0, program.lines.join('\n'))
  },
}))
