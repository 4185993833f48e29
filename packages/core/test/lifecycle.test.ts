import assert from 'node:assert/strict'
import test from 'node:test'
import { PartBase, type Vitals } from '@khlong/core'

class Probe extends PartBase {
  readonly name = 'probe'
  readonly addresses = {}
  readonly calls: string[] = []
  failStart = false
  vitals(): Vitals {
    return { recordsIn: 0, recordsOut: 0, facts: {}, items: [] }
  }
  metrics(): string {
    return ''
  }
  protected override async onStart(): Promise<void> {
    this.calls.push('start')
    await Promise.resolve()
    if (this.failStart) throw new Error('no')
  }
  protected override async onStop(): Promise<void> {
    this.calls.push('stop')
  }
}

test('calls of start and stop that come twice or at once agree', async () => {
  const part = new Probe()
  await Promise.all([part.start(), part.start()])
  await part.start()
  assert.equal(part.status, 'ready')
  await Promise.all([part.stop(), part.stop()])
  await part.stop()
  assert.deepEqual(part.calls, ['start', 'stop'])
  assert.equal(part.status, 'stopped')
})

test('a failed start leaves nothing open', async () => {
  const part = new Probe()
  part.failStart = true
  await assert.rejects(part.start(), /no/)
  assert.deepEqual(part.calls, ['start', 'stop'])
  assert.equal(part.status, 'failed')
})

test('a part that stopped can be started again', async () => {
  const part = new Probe()
  await part.start()
  await part.stop()
  await part.start()
  assert.equal(part.status, 'ready')
})
