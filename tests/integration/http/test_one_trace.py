"""One trace leads from a request over its queries and its event to the subscriber that hears of it."""

import asyncio
import uuid

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agon.kernel.tx import Tx
from agon.platform.events.subscribers import Subscriptions, subscriber
from agon.platform.jobs.worker import Worker
from agon.platform.observability import traces
from agon.platform.observability.observers import DatabaseObserver, HttpObserver
from agon.roles.observing import JobTelemetry
from tests.conftest import OpenDatabase
from tests.integration.http import sample

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_trace_goes_from_the_request_to_the_subscriber(fresh_dsn: str, open_database: OpenDatabase):
    exporter = InMemorySpanExporter()
    heard = asyncio.Event()

    async def hear(tx: Tx, event: sample.ThingMade) -> None:
        await tx.one(sample.COUNT, event.name)
        heard.set()

    listening = subscriber("sample.hear", sample.ThingMade, hear)
    traces.configure_traces(exporter=exporter, role="test", version="1")
    database = await open_database(fresh_dsn, listening, observer=DatabaseObserver())
    worker = Worker(database, fresh_dsn, Subscriptions([listening]), observer=JobTelemetry())
    working = asyncio.create_task(worker.run())
    try:
        async with sample.Sample(database, observer=HttpObserver()) as client:
            body = {"name": uuid.uuid4().hex}
            answer = await client.post("/api/v1/things", json=body, headers={"traceparent": CALLER})
            assert answer.status_code == 201
        await asyncio.wait_for(heard.wait(), 20)
    finally:
        await worker.stop()
        await working
        traces.flush_traces()
        traces.shutdown_traces()
    spans = [span for span in exporter.get_finished_spans() if f"{span.context.trace_id:032x}" == CALLER[3:35]]
    names = [span.name for span in spans]
    assert "POST /api/v1/things" in names
    assert "events.insert" in names
    assert "event:sample.hear" in names
    request = next(span for span in spans if span.name == "POST /api/v1/things")
    delivery = next(span for span in spans if span.name == "event:sample.hear")
    inside = next(span for span in spans if span.name == "sample.count")
    assert f"{request.parent.span_id:016x}" == CALLER[36:52]
    assert delivery.parent.span_id == request.context.span_id
    assert inside.parent.span_id == delivery.context.span_id
