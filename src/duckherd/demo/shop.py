"""The tables of the sample shop: what they hold and how many rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from duckherd.demo.values import (
    Maker,
    among,
    bytes_of,
    code,
    day,
    decimal,
    email,
    even,
    flag,
    key,
    listed,
    maybe,
    moment,
    person,
    phrase,
    pick,
    product,
    spread,
    whole,
)

CUSTOMERS, PRODUCTS, ORDERS, ITEMS = 30_000, 2_000, 250_000, 1_000_000
SHIPMENTS = 40_000
LOST_CODES = (12, 173, 380)
"""Rows of `shipments` whose tracking code was lost, which breaks the check of its key."""

Columns = dict[str, tuple[str, Maker]]


@dataclass(frozen=True, slots=True)
class ShopTable:
    """One table.

    Attributes:
        rows: how many.
        columns: name -> (SQLite's declaration, maker of its values).
    """

    name: str
    rows: int
    columns: Columns


def _table(name: str, rows: int, /, **columns: tuple[str, Maker]) -> ShopTable:
    return ShopTable(name, rows, columns)


_ID = "INTEGER PRIMARY KEY"
_INT = "INTEGER NOT NULL"
_TEXT = "TEXT NOT NULL"
_MONEY = "DECIMAL(10,2) NOT NULL"
_DATE = "DATE"
_TIME = "TIMESTAMP"

COUNTRIES = "DE PL FR ES IT NL SE CZ DK PT AT BE FI IE HU RO GR HR SK SI LT LV EE LU".split()  # noqa: SIM905
CURRENCIES = "EUR PLN SEK CZK DKK HUF RON GBP CHF NOK".split()  # noqa: SIM905


def tracking_codes(_: Random, rows: int) -> Iterator[str | None]:
    """What `REPAIR` gives back to the rows that lost theirs."""
    return (None if row in LOST_CODES else f"TRK-{row:08d}" for row in range(1, rows + 1))


TABLES: tuple[ShopTable, ...] = (
    _table("countries", len(COUNTRIES),
           country_code=("TEXT PRIMARY KEY", listed(COUNTRIES)), vat_rate=(_MONEY, decimal(17, 27)),
           in_union=("BOOLEAN NOT NULL", flag(0.95))),
    _table("currencies", len(CURRENCIES),
           currency_code=("TEXT PRIMARY KEY", listed(CURRENCIES)), decimals=(_INT, whole(0, 2))),
    _table("exchange_rates", 8_000,
           rate_id=(_ID, key()), currency_code=(_TEXT, pick(CURRENCIES)), rate_date=(_DATE, day()),
           rate=("DOUBLE NOT NULL", decimal(0.1, 12, 6))),
    _table("departments", 12,
           department_id=(_ID, key()), name=(_TEXT, code("DEP", 2))),
    _table("employees", 300,
           employee_id=(_ID, key()), department_id=(_INT, even(12)), name=(_TEXT, person()),
           hired_on=(_DATE, day()), left_on=(_DATE, maybe(day(), 0.85)),
           manager_id=("INTEGER", maybe(among(40), 0.05))),
    _table("stores", 40,
           store_id=(_ID, key()), country_code=(_TEXT, pick(COUNTRIES)), opened_on=(_DATE, day()),
           floor_m2=("REAL", maybe(decimal(60, 900, 1), 0.1))),
    _table("warehouses", 6,
           warehouse_id=(_ID, key()), country_code=(_TEXT, pick(COUNTRIES)),
           capacity=(_INT, whole(5_000, 50_000))),
    _table("suppliers", 150,
           supplier_id=(_ID, key()), name=(_TEXT, person()),
           country_code=(_TEXT, pick(COUNTRIES)), rating=("REAL", maybe(decimal(1, 5, 1), 0.2))),
    _table("brands", 120, brand_id=(_ID, key()), name=(_TEXT, product())),
    _table("categories", 80,
           category_id=(_ID, key()), parent_id=("INTEGER", maybe(among(20), 0.25)),
           name=(_TEXT, product())),
    _table("products", PRODUCTS,
           product_id=(_ID, key()), sku=("TEXT NOT NULL UNIQUE", code("SKU")),
           name=(_TEXT, product()), brand_id=(_INT, even(120)), category_id=(_INT, even(80)),
           supplier_id=("INTEGER", maybe(even(150), 0.05)), price=(_MONEY, decimal(2, 400)),
           weight_kg=("REAL", maybe(decimal(0.05, 30, 3), 0.1)),
           discontinued=("BOOLEAN NOT NULL", flag(0.08))),
    _table("product_prices", 9_000,
           price_id=(_ID, key()), product_id=(_INT, even(PRODUCTS)), valid_from=(_DATE, day()),
           price=(_MONEY, decimal(2, 400))),
    _table("product_images", 1_200,
           image_id=(_ID, key()), product_id=(_INT, even(PRODUCTS)),
           thumbnail=("BLOB NOT NULL", bytes_of(96)), alt_text=("TEXT", maybe(product(), 0.4))),
    _table("product_reviews", 25_000,
           review_id=(_ID, key()), product_id=(_INT, among(PRODUCTS)),
           customer_id=(_INT, among(CUSTOMERS)), stars=(_INT, whole(1, 5)),
           body=("TEXT", maybe(phrase(), 0.35)), written_at=(_TIME, moment())),
    _table("stock_levels", 12_000,
           stock_id=(_ID, key()), warehouse_id=(_INT, even(6)), product_id=(_INT, even(PRODUCTS)),
           on_hand=(_INT, whole(0, 400)), counted_at=(_TIME, maybe(moment(), 0.02))),
    _table("stock_movements", 60_000,
           movement_id=(_ID, key()), warehouse_id=(_INT, even(6)),
           product_id=(_INT, even(PRODUCTS)), quantity=(_INT, whole(-40, 40)),
           moved_at=(_TIME, moment())),
    _table("purchase_orders", 3_000,
           purchase_order_id=(_ID, key()), supplier_id=(_INT, even(150)),
           ordered_on=(_DATE, day()), received_on=(_DATE, maybe(day(), 0.15))),
    _table("purchase_order_lines", 14_000,
           line_id=(_ID, key()), purchase_order_id=(_INT, spread(3_000, 14_000)),
           product_id=(_INT, even(PRODUCTS)), quantity=(_INT, whole(5, 500)),
           unit_cost=(_MONEY, decimal(1, 250))),
    _table("customers", CUSTOMERS,
           customer_id=(_ID, key()), name=(_TEXT, person()), email=(_TEXT, email()),
           phone=("TEXT", maybe(code("+49", 9), 0.3)), born_on=(_DATE, maybe(day(), 0.6)),
           country_code=(_TEXT, pick(COUNTRIES)), created_at=(_TIME, moment()),
           marketing=("BOOLEAN NOT NULL", flag(0.4))),
    _table("customer_addresses", 38_000,
           address_id=(_ID, key()), customer_id=(_INT, even(CUSTOMERS)),
           street=(_TEXT, product()), number=(_INT, whole(1, 180)),
           city=(_TEXT, pick(("Northville", "Oakham", "Łąkowo", "Steinfurt"))),
           country_code=(_TEXT, pick(COUNTRIES))),
    _table("customer_notes", 6_000,
           note_id=(_ID, key()), customer_id=(_INT, among(CUSTOMERS)),
           employee_id=("INTEGER", maybe(even(300), 0.1)), note=(_TEXT, phrase()),
           written_at=(_TIME, moment())),
    _table("newsletter_subscribers", 11_000,
           subscriber_id=(_ID, key()), email=(_TEXT, email()), subscribed_at=(_TIME, moment()),
           unsubscribed_at=(_TIME, maybe(moment(), 0.8))),
    _table("promotions", 90,
           promotion_id=(_ID, key()), name=(_TEXT, product()), starts_on=(_DATE, day()),
           percent=("REAL", decimal(5, 60, 1))),
    _table("promotion_products", 1_800,
           promotion_id=(_INT, even(90)), product_id=(_INT, even(PRODUCTS)),
           position=("INTEGER", maybe(whole(1, 20), 0.3))),
    _table("gift_cards", 0,
           gift_card_id=(_ID, key()), code=(_TEXT, code("GIFT")), balance=(_MONEY, decimal(5, 200)),
           issued_at=(_TIME, moment())),
    _table("carts", 20_000,
           cart_id=(_ID, key()), customer_id=("INTEGER", maybe(among(CUSTOMERS), 0.4)),
           created_at=(_TIME, moment())),
    _table("cart_items", 45_000,
           cart_item_id=(_ID, key()), cart_id=(_INT, spread(20_000, 45_000)),
           product_id=(_INT, among(PRODUCTS)), quantity=(_INT, whole(1, 4))),
    _table("orders", ORDERS,
           order_id=(_ID, key()), customer_id=(_INT, among(CUSTOMERS)),
           store_id=("INTEGER", maybe(even(40), 0.8)),
           status=(_TEXT, pick(("paid", "shipped", "new", "cancelled"))),
           ordered_at=(_TIME, moment()), total=(_MONEY, decimal(3, 1_200)),
           comment=("TEXT", maybe(phrase(), 0.9))),
    _table("order_items", ITEMS,
           order_item_id=(_ID, key()), order_id=(_INT, spread(ORDERS, ITEMS)),
           product_id=(_INT, among(PRODUCTS)), quantity=(_INT, whole(1, 5)),
           unit_price=(_MONEY, decimal(2, 400)),
           promotion_id=("INTEGER", maybe(even(90), 0.9))),
    _table("payments", 60_000,
           payment_id=(_ID, key()), order_id=(_INT, even(ORDERS)), amount=(_MONEY, decimal(3, 900)),
           currency_code=(_TEXT, pick(CURRENCIES)), paid_at=(_TIME, moment())),
    _table("refunds", 4_000,
           refund_id=(_ID, key()), payment_id=(_INT, even(60_000)), amount=(_MONEY, decimal(3, 90)),
           reason=("TEXT", maybe(phrase(), 0.2)), refunded_on=(_DATE, day())),
    _table("shipments", SHIPMENTS,
           # A primary key that is not INTEGER may hold NULL in SQLite, and so it does here.
           tracking_code=("TEXT PRIMARY KEY", tracking_codes),
           order_id=(_INT, even(ORDERS)), carrier=(_TEXT, pick(("DHL", "DPD", "GLS", "InPost"))),
           shipped_at=(_TIME, moment()), delivered_at=(_TIME, maybe(moment(), 0.1))),
    _table("support_tickets", 5_000,
           ticket_id=(_ID, key()), customer_id=(_INT, among(CUSTOMERS)), subject=(_TEXT, phrase()),
           opened_at=(_TIME, moment()), closed_at=(_TIME, maybe(moment(), 0.2))),
)  # fmt: skip

VIEWS = {
    "active_customers": (
        "SELECT c.customer_id, c.name, c.country_code, count(*) AS orders, "
        "round(sum(o.total), 2) AS spent, max(o.ordered_at) AS last_order "
        "FROM customers c JOIN orders o ON o.customer_id = c.customer_id "
        "WHERE o.status <> 'cancelled' GROUP BY c.customer_id, c.name, c.country_code"
    ),
    # Slow by what it asks: every pair of products that lie in one order, of a million items.
    "bought_together": (
        "SELECT a.product_id AS product_id, b.product_id AS other_id, count(*) AS orders "
        "FROM order_items a JOIN order_items b "
        "ON b.order_id = a.order_id AND b.product_id > a.product_id "
        "GROUP BY a.product_id, b.product_id HAVING count(*) >= 20"
    ),
}

INDEXES = (
    "CREATE INDEX order_items_order ON order_items (order_id)",
    "CREATE INDEX orders_customer ON orders (customer_id)",
)

BROKEN = "shipments"
REPAIR = (
    "UPDATE shipments SET tracking_code = printf('TRK-%08d', rowid) WHERE tracking_code IS NULL"
)
