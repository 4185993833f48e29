import { useState } from 'react'
import { useText } from '../../i18n/index.ts'
import { changeDevices } from '../../lib/devices.ts'
import { saveFile } from '../../lib/save-file.ts'
import { Dialog } from '../../shell/dialog.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { scrolls } from '../../ui/scrolls.ts'

/** Adds the devices of a list, and shows their secrets once. */
export function ImportDevicesDialog({ onClose }: { onClose: () => void }) {
  const text = useText()
  const [csv, setCsv] = useState('name,place\n')
  const [added, setAdded] = useState<{ name: string; secret: string }[] | undefined>(undefined)
  if (added) {
    const lines = ['name,secret', ...added.map(({ name, secret }) => `${name},${secret}`)]
    const secrets = `${lines.join('\n')}\n`
    return (
      <Dialog label={text('deviceImport')} className="form-dialog" onClose={onClose}>
        <header>
          <h2>{text('deviceImport')}</h2>
        </header>
        <div className="stack token-once">
          <p className="face-title">{text('deviceImported', { count: added.length })}</p>
          <div className="sketch">
            <pre {...scrolls}>{secrets}</pre>
            <CopyButton value={secrets} />
          </div>
          <footer>
            <button
              type="button"
              className="button"
              onClick={() => saveFile('secrets.csv', secrets, 'text/csv')}
            >
              {text('deviceSave', { file: 'secrets.csv' })}
            </button>
            <button type="button" className="button primary" onClick={onClose}>
              {text('done')}
            </button>
          </footer>
        </div>
      </Dialog>
    )
  }
  return (
    <FormDialog
      title={text('deviceImport')}
      action={text('deviceImport')}
      onClose={onClose}
      onDone={() => {}}
      onSubmit={async () => {
        const answer = await changeDevices<{ added: { name: string; secret: string }[] }>(
          'POST',
          '',
          { csv },
        )
        setAdded(answer.added)
      }}
    >
      <label>
        <span>CSV</span>
        <textarea
          className="mono"
          rows={10}
          spellCheck={false}
          required
          value={csv}
          onChange={(event) => setCsv(event.target.value)}
        />
        <span className="hint">{text('deviceImportHint')}</span>
      </label>
      <input
        type="file"
        accept=".csv,text/csv,text/plain"
        aria-label="CSV"
        onChange={(event) => void event.target.files?.[0]?.text().then(setCsv)}
      />
    </FormDialog>
  )
}
