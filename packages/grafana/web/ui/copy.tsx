import { useState } from 'react'
import { useText } from '../i18n/index.ts'
import { Icon } from './icons.tsx'
import { scrolls } from './scrolls.ts'

/** Writes to the clipboard, also where the page is not served from a secure address. */
export async function copyText(value: string): Promise<void> {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(value)
  const area = document.createElement('textarea')
  area.value = value
  area.style.position = 'fixed'
  area.style.opacity = '0'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

function useCopied(): [boolean, (value: string) => void] {
  const [isCopied, setCopied] = useState(false)
  return [
    isCopied,
    (value) => {
      void copyText(value).then(() => {
        setCopied(true)
        setTimeout(() => setCopied(false), 1_500)
      })
    },
  ]
}

/** A command with a button that copies it. */
export function CopyLine({ command, wrap = false }: { command: string; wrap?: boolean }) {
  const text = useText()
  const [isCopied, copy] = useCopied()
  return (
    <div className={wrap ? 'copy-line copy-line-wrap' : 'copy-line'}>
      {/* It scrolls, so the keyboard must reach it. */}
      <code {...scrolls}>{command}</code>
      <button
        type="button"
        className="icon-button small"
        aria-label={text(isCopied ? 'copied' : 'copy')}
        title={text(isCopied ? 'copied' : 'copy')}
        onClick={() => copy(command)}
      >
        <Icon name={isCopied ? 'check' : 'copy'} size={14} />
      </button>
    </div>
  )
}

/** An id in mono that is copied with a click. */
export function CopyId({ id, shown = id }: { id: string; shown?: string }) {
  const text = useText()
  const [isCopied, copy] = useCopied()
  return (
    <button
      type="button"
      className="copy-id"
      title={isCopied ? text('copied') : `${text('copy')}: ${id}`}
      onClick={(event) => {
        event.stopPropagation()
        copy(id)
      }}
    >
      {isCopied ? text('copied') : shown}
    </button>
  )
}
