SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.strategy_configurations (
    id uuid NOT NULL,
    strategy_type text NOT NULL,
    parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
    instruments bigint[] NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    zerodha_trading_enabled boolean DEFAULT false NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    active_brokers text[],
    validator_type text
);
CREATE TABLE public.strategy_status (
    entry bigint NOT NULL,
    strategy_id uuid NOT NULL,
    instrument_token bigint,
    state text NOT NULL,
    reason text,
    strategy_version integer NOT NULL,
    worker text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT strategy_status_state CHECK ((state = ANY (ARRAY['registered'::text, 'disabled'::text, 'quarantined'::text, 'cold'::text, 'invalid'::text])))
);
CREATE SEQUENCE public.strategy_status_entry_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.strategy_status_entry_seq OWNED BY public.strategy_status.entry;
ALTER TABLE ONLY public.strategy_status ALTER COLUMN entry SET DEFAULT nextval('public.strategy_status_entry_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('4');
INSERT INTO public.strategy_configurations VALUES ('00000002-0000-4000-8000-000000000000', 'rules_rsi', '{"lower": 35.5, "period": 9, "trigger": "cross", "quantity": 40, "confidence": 0.8, "validation": {"max_notional": 60000, "max_tick_age_seconds": 1000000000}}', '{1004,1005,1006}', true, false, 1, '2026-11-30 12:15:25.808364+00', '2026-11-30 12:15:25.808364+00', '{}', 'strict_risk');
INSERT INTO public.strategy_configurations VALUES ('00000003-0000-4000-8000-000000000000', 'ml_momentum', '{"quantity": 5, "min_probability": 0.4}', '{1001,1004}', true, false, 1, '2026-11-30 12:15:28.799856+00', '2026-11-30 12:15:28.799856+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000004-0000-4000-8000-000000000000', 'hybrid_ml_rsi_filter', '{"lower": 45, "upper": 55, "period": 7, "min_probability": 0.35}', '{1002,1005}', true, false, 1, '2026-11-30 12:15:32.057778+00', '2026-11-30 12:15:32.057778+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000005-0000-4000-8000-000000000000', 'rules_rsi', '{"period": 4, "trigger": "cross"}', '{1006}', true, false, 1, '2026-11-30 12:15:34.836304+00', '2026-11-30 12:15:34.836304+00', '{zerodha}', NULL);
INSERT INTO public.strategy_configurations VALUES ('00000006-0000-4000-8000-000000000000', 'counter', '{"bar_seconds": 5}', '{1001,1006}', true, false, 1, '2026-11-30 12:15:37.904627+00', '2026-11-30 12:15:37.904627+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000007-0000-4000-8000-000000000000', 'breakout', '{"lookback": 12}', '{1003,1004}', true, false, 1, '2026-11-30 12:15:40.679519+00', '2026-11-30 12:15:40.679519+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000008-0000-4000-8000-000000000000', 'failing', '{}', '{1005}', true, false, 1, '2026-11-30 12:15:43.455512+00', '2026-11-30 12:15:43.455512+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000009-0000-4000-8000-000000000000', 'unloadable', '{}', '{1002}', true, false, 1, '2026-11-30 12:15:46.134519+00', '2026-11-30 12:15:46.134519+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('0000000b-0000-4000-8000-000000000000', 'gone', '{}', '{1001}', true, false, 1, '2026-11-30 12:15:52.27979+00', '2026-11-30 12:15:52.27979+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('0000000a-0000-4000-8000-000000000000', 'rules_rsi', '{"period": 3}', '{1001}', false, false, 2, '2026-11-30 12:15:49.273608+00', '2026-11-30 12:15:56.167405+00', NULL, NULL);
INSERT INTO public.strategy_configurations VALUES ('00000001-0000-4000-8000-000000000000', 'rules_rsi', '{"upper": 65, "period": 6}', '{1001,1002,1003}', true, false, 2, '2026-11-30 12:15:22.665709+00', '2026-11-30 12:15:22.665709+00', NULL, NULL);
INSERT INTO public.strategy_status VALUES (1, '0000000b-0000-4000-8000-000000000000', NULL, 'invalid', 'unknown strategy type ''gone''; known: breakout, counter, failing, hybrid_ml_rsi_filter, ml_momentum, rules_rsi, unloadable', 1, 'vm', '2026-11-30 12:16:21.620131+00');
INSERT INTO public.strategy_status VALUES (2, '00000001-0000-4000-8000-000000000000', NULL, 'registered', NULL, 2, 'vm', '2026-11-30 12:16:21.640251+00');
INSERT INTO public.strategy_status VALUES (3, '00000002-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.072246+00');
INSERT INTO public.strategy_status VALUES (4, '00000003-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.244312+00');
INSERT INTO public.strategy_status VALUES (5, '00000004-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.33583+00');
INSERT INTO public.strategy_status VALUES (6, '00000005-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.524373+00');
INSERT INTO public.strategy_status VALUES (7, '00000006-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.752353+00');
INSERT INTO public.strategy_status VALUES (8, '00000007-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.81429+00');
INSERT INTO public.strategy_status VALUES (9, '00000008-0000-4000-8000-000000000000', NULL, 'registered', NULL, 1, 'vm', '2026-11-30 12:16:22.835859+00');
INSERT INTO public.strategy_status VALUES (10, '00000009-0000-4000-8000-000000000000', NULL, 'disabled', 'the model is missing', 1, 'vm', '2026-11-30 12:16:22.876215+00');
INSERT INTO public.strategy_status VALUES (11, '00000008-0000-4000-8000-000000000000', 1005, 'quarantined', '3 failures in a row, the last at instrument 1005, partition 0, offset 7: ArithmeticError: no number for this tick', 1, 'vm', '2026-11-30 12:16:24.924997+00');
SELECT pg_catalog.setval('public.strategy_status_entry_seq', 11, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.strategy_configurations
    ADD CONSTRAINT strategy_configurations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.strategy_status
    ADD CONSTRAINT strategy_status_pkey PRIMARY KEY (entry);
CREATE UNIQUE INDEX strategy_status_key ON public.strategy_status USING btree (strategy_id, worker, COALESCE(instrument_token, (0)::bigint));
