import { readFileSync } from 'node:fs'

/** A fenced block of a document. */
export interface Block {
  /** The first word after the fence: its language; empty where there is none. */
  readonly language: string
  /** What the line above names in backticks, if that line has nothing else: the file that the block is. */
  readonly file: string | undefined
  readonly text: string
  /** Line of the fence in the document, from 1 on. */
  readonly line: number
}

export function blocksOf(document: string): Block[] {
  const lines = readFileSync(document, 'utf8').split('\n')
  const blocks: Block[] = []
  for (let index = 0; index < lines.length; index++) {
    const [, indent = '', fence, language = ''] = /^( *)(```+)(\w*)/.exec(lines[index] ?? '') ?? []
    if (fence === undefined) continue
    const end = lines.indexOf(indent + fence, index + 1)
    if (end === -1) throw new Error(`${document}:${index + 1}: the block has no end`)
    const text = lines.slice(index + 1, end).map((line) => `${line.slice(indent.length)}\n`)
    blocks.push({ language, file: fileAbove(lines, index), text: text.join(''), line: index + 1 })
    index = end
  }
  return blocks
}

/** The document without its blocks and its code in backticks. */
export function proseOf(document: string): string {
  return readFileSync(document, 'utf8')
    .replaceAll(/^( *)(```+)[\s\S]*?^\1\2$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '')
}

/** Where the headings of a document can be linked to, as GitHub names them. */
export function anchorsOf(document: string): string[] {
  const text = readFileSync(document, 'utf8').replaceAll(/^( *)(```+)[\s\S]*?^\1\2$/gm, '')
  const seen = new Map<string, number>()
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-')
    const times = seen.get(anchor) ?? 0
    seen.set(anchor, times + 1)
    return times === 0 ? anchor : `${anchor}-${times}`
  })
}

function fileAbove(lines: readonly string[], index: number): string | undefined {
  const above = lines.slice(0, index).findLast((line) => line.trim() !== '')
  return /^`([^`]+)`$/.exec(above ?? '')?.[1]
}
