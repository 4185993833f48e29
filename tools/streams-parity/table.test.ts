import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { tableCells } from './cells.ts'
import { readGoldens } from './goldens.ts'
import { columns, operators } from './operators.ts'
import { parityPage } from './table.ts'
import { topologies } from './topologies.ts'

const remedy = 'make it anew: npm run parity -- streams --write'

it('the page of what is compared with Java is what the cases say', () => {
  const page = readFileSync(new URL('../../docs/streams/parity.md', import.meta.url), 'utf8')
  assert.equal(page, parityPage(), remedy)
})

it('every operator has, for each kind of input, a case or a reason', () => {
  const cells = tableCells()
  assert.equal(cells.length, operators.length * columns.length)
  for (const { operator, column, case: one, reason } of cells)
    assert.ok(one ?? reason, `${operator}: ${column}`)
})

it('every case has its golden, with the inputs that it has now', () => {
  const runs = new Map(
    readGoldens().flatMap(({ steps, runs }) => runs.map((run) => [run.name, { steps, ...run }])),
  )
  const cases = [...topologies, ...tableCells().flatMap(({ case: one }) => one ?? [])]
  for (const { name, steps, inputs } of cases) {
    const golden = runs.get(name)
    assert.deepEqual(
      { steps: golden?.steps, inputs: golden?.inputs },
      { steps, inputs },
      `${name}: ${remedy}`,
    )
  }
  assert.equal(runs.size, cases.length, remedy)
})
