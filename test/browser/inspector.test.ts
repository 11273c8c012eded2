import { randomUUID } from 'node:crypto'
import { jsonEvent, persistentSubscriptionToStreamSettingsFromDefaults } from '@eventstore/db-client'
import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { registrationOf, removeUser, startInspected } from '../inspector/service.ts'
import { eventually } from '../support/eventually.ts'
import { barriers, inBrowser, tabTo } from './browser.ts'

const { url, client, dataDir } = await startInspected()
const browser = inBrowser()

const aStream = () => `inspected-${randomUUID()}`
const events = (count: number) =>
  Array.from({ length: count }, (_, index) => jsonEvent({ type: 'Counted', data: { index } }))

describe('the inspector', () => {
  it('leads from a search to a stream, and through its pages', async () => {
    const stream = aStream()
    await client.appendToStream(stream, events(50))
    const { page, troubles } = await browser.open(`${url}/inspector`)
    await page.getByLabel('Name, or a part of it').fill(stream.slice(10, 30).toUpperCase())
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: stream, exact: true }).click()
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(stream)
    const numbers = () => page.locator('article h2 a').allInnerTexts()
    expect((await numbers()).slice(0, 2)).toEqual(['50', '49'])
    await page.getByRole('link', { name: 'Older' }).first().click()
    expect((await numbers()).slice(0, 2)).toEqual(['30', '29'])
    await page.getByRole('link', { name: 'Newest' }).first().click()
    await page.getByRole('link', { name: '50', exact: true }).click()
    expect(await page.locator('pre').first().innerText()).toBe('{\n  "index": 49\n}')
    expect(troubles).toEqual([])
  })

  it('shows events as they are appended, holds them while it is paused, and runs nothing of what is in them', async () => {
    const stream = aStream()
    const { page, troubles } = await browser.open(`${url}/inspector/all`)
    const state = page.locator('#live-state')
    await page.getByText('Live', { exact: true }).waitFor()
    const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    await client.appendToStream(stream, [jsonEvent({ type: hostile, data: { hostile } })])
    await page.getByRole('link', { name: stream }).waitFor()
    expect(await page.locator('#rows tr').first().locator('td').first().innerText()).toBe(hostile)

    await page.getByRole('button', { name: 'Pause' }).click()
    await client.appendToStream(stream, events(2))
    await eventually(async () => (await state.innerText()).includes('waiting'), 'the events to wait')
    expect(await page.getByRole('link', { name: stream }).count()).toBe(1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await eventually(async () => (await page.getByRole('link', { name: stream }).count()) === 3, 'them to be shown')
    expect(troubles).toEqual([])
  })

  it('tries parked events again by the keyboard alone', async () => {
    const [taken, email] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
    const id = ulid()
    for (const each of [taken, email]) {
      await client.appendToStream(`user-${each}`, [jsonEvent(registrationOf(each, id))])
    }
    const { page, troubles } = await browser.open(`${url}/inspector`)
    await eventually(
      async () => (await (await fetch(`${url}/inspector/read-model`)).text()).includes(email),
      'it to be parked',
    )
    removeUser(dataDir, id)
    await tabTo(page, 'Read model')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: `user-${email}` }).waitFor()
    await tabTo(page, await page.locator('form button').innerText())
    await page.keyboard.press('Enter')
    await page.getByText('1 parked event could be applied now').waitFor()
    expect(await page.getByRole('link', { name: `user-${email}` }).count()).toBe(0)
    expect(troubles).toEqual([])
  })

  it('has a link that leads past the navigation', async () => {
    const { page } = await browser.open(`${url}/inspector`)
    await tabTo(page, 'Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.name')).toBe('q')
  })
})

describe('what everybody can use', async () => {
  const stream = `user-${randomUUID()}@example.com`
  await client.appendToStream(stream, [jsonEvent({ type: 'UserRegistered', data: {} }), ...events(25)])
  await eventually(
    async () => (await (await fetch(`${url}/inspector/read-model`)).text()).includes(stream),
    'it to be parked',
  )
  await client.createPersistentSubscriptionToStream(stream, 'g', persistentSubscriptionToStreamSettingsFromDefaults())
  const pages = [
    '/inspector',
    '/inspector?q=user',
    `/inspector/stream?name=${stream}`,
    `/inspector/event?stream=${stream}&number=1`,
    '/inspector/stream?name=%24ce-user',
    '/inspector/stream?name=nothing',
    '/inspector/stream',
    '/inspector/all',
    '/inspector/read-model?applied=1',
    '/inspector/groups',
  ]

  it.each(pages)(
    '%s has no serious barriers, light or dark, on a desk or a phone',
    async (path) => {
      const phone = { width: 390, height: 800 }
      for (const [scheme, viewport] of [
        ['light', undefined],
        ['dark', undefined],
        ['light', phone],
      ] as const) {
        const { page } = await browser.open(url + path, scheme, viewport)
        expect(await barriers(page), scheme).toEqual([])
        const wide = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
        expect(wide, 'wider than the screen').toBe(false)
      }
    },
    60_000,
  )
})
