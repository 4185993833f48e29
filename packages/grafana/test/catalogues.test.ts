import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'
import { readDashboard } from '../src/model/read-dashboard.ts'
import { supportedTransformations } from '../src/model/transformations.ts'
import { version } from '../src/server/grafana-server.ts'
import { en } from '../web/i18n/en.ts'
import { th } from '../web/i18n/th.ts'

const placesOf = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort()

test('both catalogues have the same keys and the same places to fill in', () => {
  assert.deepEqual(Object.keys(th).sort(), Object.keys(en).sort())
  for (const [key, text] of Object.entries(en))
    assert.deepEqual(placesOf(th[key as keyof typeof en]), placesOf(text), key)
})

test('the version that the API tells is that of the package', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.equal(version, manifest.version)
})

for (const name of ['iot', 'khlong'])
  test(`the ${name} dashboard of the pipeline is drawn whole and has its texts in Thai`, async () => {
    const file = new URL(`../../../pipelines/iot/dashboards/${name}.json`, import.meta.url)
    const json = JSON.parse(await readFile(file, 'utf8'))
    const { panels, schemaVersion, translations, title, uid } = readDashboard(json)
    assert.deepEqual([schemaVersion, uid], [41, name])
    assert.deepEqual(
      panels.filter(({ kind, notes }) => kind === 'unsupported' || notes.length > 0),
      [],
    )
    for (const text of [title, ...panels.map((panel) => panel.title)])
      assert.ok(translations.th?.[text], `no Thai for ${text}`)
    for (const panel of panels)
      for (const { id } of panel.transformations) assert.ok(supportedTransformations.has(id))
  })
